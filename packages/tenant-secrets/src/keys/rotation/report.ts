import { sql } from "drizzle-orm";
import { z } from "zod";
import { encryptedColumns, type Database } from "@repo/db";
import type { AuditKey } from "@repo/audit-log";
import { TenantSecretsError } from "@repo/catalog";
import type { RunStep } from "../../runs/definition.ts";
import { documentText, isMacOf, keyNumberOf, macOf, readDocument } from "../../runs/signed-document.ts";

/** The proof of a finished rotation: a JSON text, and its MAC under the audit key. */
export interface RotationReport {
  readonly report: string;
  readonly mac: string;
}

/** The number of encrypted values in one column, by key: `tk1.default.2` or `ts1`. */
const Sealed = z.record(z.string(), z.record(z.string(), z.int()));
export type EncryptedCounts = z.infer<typeof Sealed>;

/** What does not decrypt: keys, whose wraps stay under the old master key, and values under an intact key. */
const Undecryptable = z.strictObject({ keys: z.array(z.string()), values: z.array(z.string()) });

export const RotationInput = z.strictObject({ fromVersion: z.int() });

/** The facts that a rotation has gathered so far. */
export const RotationFacts = z.strictObject({
  toVersion: z.int(),
  /** The inventory by key, before the rotation. */
  encrypted: Sealed,
  backupChecksum: z.string().nullable(),
  /** Null until the new key is verified. */
  verified: z.strictObject({ companiesOpened: z.int(), undecryptable: Undecryptable }).nullable(),
});
export type RotationFacts = z.infer<typeof RotationFacts>;

const format = "tenant-secrets-rotation/1";

const Report = z.strictObject({
  format: z.literal(format),
  rotation: z.uuid(),
  region: z.string(),
  fromVersion: z.int(),
  toVersion: z.int(),
  startedBy: z.string(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  backup: z.string().nullable(),
  companiesOpened: z.int(),
  undecryptable: Undecryptable,
  before: Sealed,
  after: Sealed,
});

/** Counts every encrypted column of the schema, so that a report cannot omit one. */
export function countEncrypted(database: Database): Promise<EncryptedCounts> {
  return database.acrossCompanies(async (statements) => {
    const counts: EncryptedCounts = {};
    for (const { table, column, wraps } of encryptedColumns) {
      const name = sql.raw(`"${table}"."${column}"`);
      // A wrap names its key in its first three parts; a value only its format in the first.
      const parts = sql.raw(wraps ? "^[^.]*[.][^.]*[.][^.]*" : "^[^.]*");
      const rows = await statements.execute(sql`
          select substring(${name} from '${parts}') as under, count(*)::int as count
          from ${sql.raw(`"${table}"`)} where ${name} is not null group by 1 order by 1`);
      counts[`${table}.${column}`] = Object.fromEntries(
        rows.map((row) => [String(row["under"]), Number(row["count"])]),
      );
    }
    return counts;
  });
}

/** The report of a rotation after its verification. */
export async function makeReport(
  database: Database,
  {
    run,
    input,
    facts,
  }: Pick<RunStep<z.infer<typeof RotationInput>, RotationFacts, string>, "run" | "input" | "facts">,
  key: AuditKey,
): Promise<RotationReport> {
  if (facts.verified === null) throw new Error("a rotation that is reported has verified");
  const report = documentText(Report, {
    format,
    rotation: run.id,
    region: run.subject,
    fromVersion: input.fromVersion,
    toVersion: facts.toVersion,
    startedBy: `${run.requestedByKind} ${run.requestedById}`,
    startedAt: run.startedAt.toISOString(),
    finishedAt: new Date().toISOString(),
    backup: facts.backupChecksum,
    ...facts.verified,
    before: facts.encrypted,
    after: await countEncrypted(database),
  });
  return { report, mac: macOf(format, report, key) };
}

/**
 * @throws {TenantSecretsError} INVALID_INPUT for a text that is no report; INTEGRITY_FAILURE for a modified one; CONFLICT if
 *   the report itself says that something is still under the old key
 */
export function verifyReport({ report, mac }: RotationReport, key: AuditKey): z.infer<typeof Report> {
  const content = readDocument(Report, report);
  if (content === undefined) throw noReport();
  if (!isMacOf(format, report, { mac, key })) throw notGenuine();
  const old = `tk1.${content.region}.${content.fromVersion}`;
  const left = Object.entries(content.after).filter(([, counts]) => (counts[old] ?? 0) > 0);
  if (left.length > 0) {
    throw new TenantSecretsError(
      "CONFLICT",
      `The report is genuine, and says that ${left.map(([name]) => name).join(", ")} is still under the old key.`,
    );
  }
  return content;
}

/** The version of the audit key of a report. @throws {TenantSecretsError} INVALID_INPUT */
export function macKeyVersionOf({ report, mac }: RotationReport): number {
  const keyVersion = keyNumberOf(mac);
  if (keyVersion === undefined || readDocument(Report, report) === undefined) throw noReport();
  return keyVersion;
}

function noReport(): TenantSecretsError {
  return new TenantSecretsError(
    "INVALID_INPUT",
    "This is no report of a rotation with its MAC: send both exactly as they were written when it finished.",
  );
}

function notGenuine(): TenantSecretsError {
  return new TenantSecretsError(
    "INTEGRITY_FAILURE",
    "This report was modified, or was not created by this deployment.",
  );
}
