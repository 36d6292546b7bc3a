import { execFile } from "node:child_process";
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";
import { releases } from "./released.ts";

/** The folder of the package: drizzle-kit takes paths that are relative to it. */
const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));
export const migrationsFolder = path.join(PACKAGE, "migrations");

const entry = z.object({ idx: z.int(), tag: z.string() }).loose();
const journal = z.object({ entries: z.array(entry) }).loose();

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
  const isReleased = ({ tag }: z.infer<typeof entry>): boolean => releasedTags.includes(tag);
  const released = { ...kept, entries: kept.entries.filter(isReleased) };
  await rm(folder, { recursive: true, force: true });
  for (const { tag, idx } of released.entries) {
    for (const file of [`${tag}.sql`, `meta/${String(idx).padStart(4, "0")}_snapshot.json`])
      await cp(path.join(migrationsFolder, file), path.join(folder, file));
  }
  await writeFile(path.join(folder, "meta/_journal.json"), JSON.stringify(released, undefined, 2));
  const options = ["--dialect", "postgresql", "--schema", "./src/schema/*.ts", "--name", "schema"];
  const kit = path.join(PACKAGE, "node_modules/drizzle-kit/bin.cjs");
  await promisify(execFile)(
    process.execPath,
    [kit, "generate", ...options, "--out", path.relative(PACKAGE, folder)],
    { cwd: PACKAGE },
  );
}

/** The names of all migrations, the first one first. */
export async function allTags(): Promise<readonly string[]> {
  return (await readJournal()).entries.map(({ tag }) => tag);
}

/** @returns the SQL of each migration in the folder, by its name without `.sql` */
export async function readMigrations(folder: string): Promise<ReadonlyMap<string, string>> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".sql")).toSorted();
  const read = async (name: string) =>
    [name.slice(0, -".sql".length), await readFile(path.join(folder, name), "utf8")] as const;
  return new Map(await Promise.all(files.map(read)));
}

async function readJournal(): Promise<z.infer<typeof journal>> {
  const text = await readFile(path.join(migrationsFolder, "meta/_journal.json"), "utf8");
  return journal.parse(JSON.parse(text));
}
