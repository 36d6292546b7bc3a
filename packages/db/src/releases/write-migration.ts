import { cp, rm } from "node:fs/promises";
import path from "node:path";
import { migrationsFolder, readMigrations } from "./migrations.ts";
import { generateMigrations, releasedTags } from "./next-migration.ts";

/** `npm run schema`: writes the unreleased migration again where the files in `schema/` describe another one. */
const folder = path.join(migrationsFolder, "../node_modules/.migrations");
await generateMigrations(folder);
const before = await readMigrations();
const after = await readMigrations(folder);
const text = (migrations: typeof before): string => JSON.stringify(migrations.map((each) => each.text));
// Its time and its id differ with each run: the same migration is not written again.
if (text(before) !== text(after)) {
  await rm(migrationsFolder, { recursive: true });
  await cp(folder, migrationsFolder, { recursive: true });
}
await rm(folder, { recursive: true });
const next = after.find(({ tag }) => !releasedTags.includes(tag));
console.log(
  next === undefined
    ? "The tables are as in the last release."
    : `migrations/${next.tag}.sql has what is new.`,
);
