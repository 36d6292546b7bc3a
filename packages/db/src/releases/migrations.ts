import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";

/** What drizzle-kit writes. */
export const migrationsFolder = fileURLToPath(new URL("../../migrations", import.meta.url));

const entry = z.looseObject({ idx: z.int(), tag: z.string(), when: z.int() });
const journal = z.looseObject({ entries: z.array(entry) });

export type Journal = z.infer<typeof journal>;

export interface Migration {
  /** The name of its file without `.sql`. */
  readonly tag: string;
  /** Milliseconds since 1970. A database has every migration up to its newest one. */
  readonly when: number;
  readonly text: string;
  /** SHA-256 of the text. */
  readonly hash: string;
}

export async function readJournal(folder = migrationsFolder): Promise<Journal> {
  return journal.parse(JSON.parse(await readFile(path.join(folder, "meta/_journal.json"), "utf8")));
}

/** @returns the migrations in a folder, the first one first */
export async function readMigrations(folder = migrationsFolder): Promise<readonly Migration[]> {
  const read = async ({ tag, when }: z.infer<typeof entry>): Promise<Migration> => {
    const text = await readFile(path.join(folder, `${tag}.sql`), "utf8");
    return { tag, when, text, hash: createHash("sha256").update(text).digest("hex") };
  };
  return await Promise.all((await readJournal(folder)).entries.map(read));
}
