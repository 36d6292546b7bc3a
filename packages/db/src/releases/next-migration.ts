import { execFile } from "node:child_process";
import { cp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { migrationsFolder, readJournal, type Journal } from "./migrations.ts";
import { releases } from "./released.ts";

/** drizzle-kit takes paths that are relative to the folder of the package. */
const packageFolder = path.dirname(migrationsFolder);

/** The names of the released migrations, the first one first. */
export const releasedTags: readonly string[] = releases.flatMap(({ migrations }) => Object.keys(migrations));

/**
 * Makes a folder of migrations: the released ones as they are, and the one that brings a database of the last release to what
 * the files in `schema/` describe. Where they describe what is released, there is no such migration.
 *
 * @param folder inside the package; what it has is replaced
 * @throws {Error} drizzle-kit's own, where it cannot say what a change of a table means, such as a renamed column
 */
export async function generateMigrations(folder: string): Promise<void> {
  const kept = await readJournal();
  const isReleased = ({ tag }: Journal["entries"][number]): boolean => releasedTags.includes(tag);
  const released = { ...kept, entries: kept.entries.filter(isReleased) };
  await rm(folder, { recursive: true, force: true });
  for (const { tag, idx } of released.entries) {
    for (const file of [`${tag}.sql`, `meta/${String(idx).padStart(4, "0")}_snapshot.json`])
      await cp(path.join(migrationsFolder, file), path.join(folder, file));
  }
  await writeFile(path.join(folder, "meta/_journal.json"), JSON.stringify(released, undefined, 2));
  const options = ["--dialect", "postgresql", "--schema", "./src/schema/*.ts", "--name", "schema"];
  const kit = path.join(packageFolder, "node_modules/drizzle-kit/bin.cjs");
  await promisify(execFile)(
    process.execPath,
    [kit, "generate", ...options, "--out", path.relative(packageFolder, folder)],
    { cwd: packageFolder },
  );
}
