import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type postgres from "postgres";
import { releases } from "./releases/released.ts";

const RULES = fileURLToPath(new URL("../sql/", import.meta.url));
/** Grants and row-level security come first: the default privileges in it hold for the functions of the other files. */
const FIRST = "access.sql";

/** The policies, grants, functions and triggers in `sql/`, as one text. */
export interface Rules {
  readonly text: string;
  /** SHA-256. */
  readonly hash: string;
}

export async function readRules(): Promise<Rules> {
  const files = (await readdir(RULES)).filter((name) => name.endsWith(".sql") && name !== FIRST).toSorted();
  const texts = await Promise.all([FIRST, ...files].map((name) => readFile(RULES + name, "utf8")));
  const text = texts.join("\n");
  return { text, hash: createHash("sha256").update(text).digest("hex") };
}

/** Makes the list of rules that the database has had, where it has none. @returns whether these are among them */
export async function hasRules(sql: postgres.ISql, { hash }: Rules): Promise<boolean> {
  await sql`create table if not exists drizzle.rules (hash text primary key, applied_at timestamptz not null default now())`;
  return (await sql`select from drizzle.rules where hash = ${hash}`).length > 0;
}

/**
 * Applies the rules. Each file can be applied to a database that has it already. Those of every release are then in the list, too:
 * 0.1.0 would put its own back where it does not find them there.
 *
 * @param transaction of the role that owns the database, which has all tables
 * @throws {postgres.PostgresError} when a statement fails
 */
export async function applyRules(transaction: postgres.ISql, { text, hash }: Rules): Promise<void> {
  // A function that runs as another role is handed over to it, which takes the right to make one.
  await transaction`grant create on schema public to tenant_secrets_maintenance, tenant_secrets_reader, tenant_secrets_copies, tenant_secrets_mover`;
  await transaction.unsafe(text);
  await transaction`revoke create on schema public from tenant_secrets_maintenance, tenant_secrets_reader, tenant_secrets_copies, tenant_secrets_mover`;
  for (const known of new Set([...releases.map(({ rules }) => rules), hash]))
    await transaction`insert into drizzle.rules (hash) values (${known}) on conflict do nothing`;
}
