import { mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readRules } from "../rules.ts";
import { migrationsFolder, readMigrations } from "./migrations.ts";
import { generateMigrations, releasedTags } from "./next-migration.ts";
import { ownSchema, releases } from "./released.ts";

test("a released migration is as it was released", async () => {
  const present = new Map((await readMigrations()).map(({ tag, hash }) => [tag, hash]));
  for (const { migrations } of releases)
    for (const [tag, hash] of Object.entries(migrations))
      expect([tag, present.get(tag)]).toEqual([tag, hash]);
});

test("the released migrations come first, and one more at most brings what the schema files describe", async () => {
  const present = await readMigrations();
  expect(present.map(({ tag }) => tag).slice(0, releasedTags.length)).toEqual(releasedTags);
  expect(present.length).toBeLessThanOrEqual(releasedTags.length + 1);
  const out = await mkdtemp(path.join(migrationsFolder, "../node_modules/.migrations-"));
  onTestFinished(() => rm(out, { recursive: true }));
  await generateMigrations(out);
  const texts = (migrations: typeof present) => migrations.map(({ text }) => text);
  // `npm run schema` in packages/db writes it.
  expect(texts(present)).toEqual(texts(await readMigrations(out)));
});

test("what is new since the last release has a version of its own", async () => {
  const last = releases.at(-1);
  const isNew =
    (await readMigrations()).length > releasedTags.length || (await readRules()).hash !== last?.rules;
  expect(ownSchema.version).toBe((last?.schema.version ?? 0) + (isNew ? 1 : 0));
  expect(ownSchema.oldest).toBeGreaterThanOrEqual(last?.schema.oldest ?? 1);
});
