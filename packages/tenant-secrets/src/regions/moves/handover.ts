import { sql, type SQL } from "drizzle-orm";
import type { Statements } from "@repo/db";
import { integrityFailure } from "@repo/envelope";
import { z } from "zod";

/** A row as `to_jsonb` shows it. */
const Rows = z.array(z.record(z.string(), z.unknown()));

const tablesOfSecrets = [
  // In the order in which they refer to each other.
  "company_secrets",
  "company_secret_versions",
  "rotation_policies",
  "rotation_credentials",
] as const;

/**
 * A part of what a home hands over with a company: the rows that only a home has, of some of its secrets. Values are encrypted in
 * them as they are stored.
 */
export const HandedPart = z.strictObject({
  format: z.literal(1),
  part: z.int().min(1),
  parts: z.int().min(1),
  /** When it was offered, by the home's clock, in milliseconds of Unix time. */
  offeredAtMs: z.number(),
  rows: z.strictObject({
    company_secrets: Rows,
    company_secret_versions: Rows,
    rotation_policies: Rows,
    rotation_credentials: Rows,
  }),
});
export type HandedPart = z.infer<typeof HandedPart>;
export type HandedRows = HandedPart["rows"];

/** With all their versions, of at most 64 KiB each. */
const secretsOfPart = 20;

/** All that only the home has of a company, in parts. The caller has locked the company. */
export async function readHandedRows(
  statements: Statements,
  companyId: string,
): Promise<readonly HandedRows[]> {
  const names = await statements.execute<{ name: string }>(
    sql`select secret_key as name from company_secrets where company_id = ${companyId} order by secret_key`,
  );
  const parts: HandedRows[] = [];
  for (let from = 0; from === 0 || from < names.length; from += secretsOfPart) {
    const some = Array.from(names.slice(from, from + secretsOfPart), ({ name }) => name);
    const [part] = await statements.execute<{ rows: unknown }>(
      sql`select jsonb_build_object(${sql.join(
        tablesOfSecrets.map(
          (
            table,
          ) => sql`${table}::text, (select coalesce(jsonb_agg(to_jsonb(t)), '[]') from ${sql.identifier(table)} t
            where t.company_id = ${companyId} and t.secret_key in (select jsonb_array_elements_text(${JSON.stringify(some)}::text::jsonb)))`,
        ),
        sql`, `,
      )}) as rows`,
    );
    parts.push(HandedPart.shape.rows.parse(part?.rows));
  }
  return parts;
}

/**
 * Writes what an earlier home has handed over. Its keys are there already.
 *
 * @throws {TenantSecretsError} INTEGRITY_FAILURE for a row of another company
 */
export async function writeHandedRows(
  statements: Statements,
  companyId: string,
  rows: HandedRows,
): Promise<void> {
  for (const table of tablesOfSecrets) {
    const handed = rows[table];
    if (handed.length === 0) continue;
    // A run of the earlier home is not known here.
    const asHere =
      table === "rotation_policies" ? handed.map((row) => ({ ...row, last_run_id: null })) : handed;
    const name: SQL = sql`${sql.identifier(table)}`;
    const written = await statements.execute(sql`
      insert into ${name} select * from jsonb_populate_recordset(null::${name}, ${JSON.stringify(asHere)}::text::jsonb) r
      where r.company_id = ${companyId} returning 1`);
    if (written.length !== handed.length) throw integrityFailure();
  }
}
