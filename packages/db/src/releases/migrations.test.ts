import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import {
  allTags,
  generateMigrations,
  migrationsFolder,
  readMigrations,
  releasedTags,
} from "./next-migration.ts";
import { releases } from "./released.ts";

test("a released migration is as it was released", async () => {
  const present = await readMigrations(migrationsFolder);
  for (const { migrations } of releases)
    for (const [tag, hash] of Object.entries(migrations))
      expect([
        tag,
        createHash("sha256")
          .update(present.get(tag) ?? "")
          .digest("hex"),
      ]).toEqual([tag, hash]);
});

test("the released migrations come first, and one more at most brings what the schema files describe", async () => {
  const tags = await allTags();
  expect(tags.slice(0, releasedTags.length)).toEqual(releasedTags);
  expect(tags.length).toBeLessThanOrEqual(releasedTags.length + 1);
  const out = await mkdtemp(path.join(migrationsFolder, "../node_modules/.migrations-"));
  onTestFinished(() => rm(out, { recursive: true }));
  await generateMigrations(out);
  // `npm run schema` in packages/db writes it.
  expect(await readMigrations(migrationsFolder)).toEqual(await readMigrations(out));
});
