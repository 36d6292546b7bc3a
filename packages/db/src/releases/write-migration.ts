import { cp, rm } from "node:fs/promises";
import path from "node:path";
import { generateMigrations, migrationsFolder, readMigrations, releasedTags } from "./next-migration.ts";

/** `npm run schema`: writes the unreleased migration again where the files in `schema/` describe another one. */
const folder = path.join(migrationsFolder, "../node_modules/.migrations");
await generateMigrations(folder);
const [before, after] = await Promise.all([migrationsFolder, folder].map(readMigrations));
const text = (migrations = new Map<string, string>()): string => JSON.stringify([...migrations]);
// Its time and its id differ with each run: the same migration is not written again.
if (text(before) !== text(after)) {
  await rm(migrationsFolder, { recursive: true });
  await cp(folder, migrationsFolder, { recursive: true });
}
await rm(folder, { recursive: true });
const next = [...(after ?? [])].map(([tag]) => tag).filter((tag) => !releasedTags.includes(tag));
console.log(
  next.length === 0
    ? "The tables are as in the last release."
    : `migrations/${next.join()}.sql has what is new.`,
);
