import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type postgres from "postgres";

const RULES = fileURLToPath(new URL("../sql/", import.meta.url));
/** Grants and row-level security come first: the default privileges in it hold for the functions of the other files. */
const FIRST = "access.sql";

/**
 * Applies the policies, grants, functions and triggers in `sql/`, all of them in one transaction. Each file can be applied
 * to a database that has it already. Rules that the database has had before are not applied: it has them, or newer ones of
 * a process that was started from a later version.
 *
 * @param client of the role that owns the database, which has all tables
 * @throws {postgres.PostgresError} when a statement fails; then nothing of the rules has changed
 */
export async function applyRules(client: postgres.Sql): Promise<void> {
  const text = await readRules();
  const hash = createHash("sha256").update(text).digest("hex");
  await client`create table if not exists drizzle.rules (hash text primary key, applied_at timestamptz not null default now())`;
  const applied = await client`select from drizzle.rules where hash = ${hash}`;
  if (applied.length > 0) return;
  await client.begin(async (transaction) => {
    // A function that runs as another role is handed over to it, which takes the right to make one.
    await transaction`grant create on schema public to tenant_secrets_maintenance, tenant_secrets_reader, tenant_secrets_copies, tenant_secrets_mover`;
    await transaction.unsafe(text);
    await transaction`revoke create on schema public from tenant_secrets_maintenance, tenant_secrets_reader, tenant_secrets_copies, tenant_secrets_mover`;
    await transaction`insert into drizzle.rules (hash) values (${hash})`;
  });
}

async function readRules(): Promise<string> {
  const files = (await readdir(RULES)).filter((name) => name.endsWith(".sql") && name !== FIRST).toSorted();
  const texts = await Promise.all([FIRST, ...files].map((name) => readFile(RULES + name, "utf8")));
  return texts.join("\n");
}
