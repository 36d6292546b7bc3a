import { createHmac, timingSafeEqual } from "node:crypto";
import { sql } from "drizzle-orm";
import { z } from "zod";
import { encryptedColumns, type Database } from "@repo/db";
import type { AuditKey } from "@repo/audit-log";
import { TenantSecretsError } from "@repo/catalog";
import { encodeFields } from "@repo/envelope";
import type { RotationRow } from "./rotation-row.ts";

/** What proves that a rotation was finished: a JSON text, and the MAC of the record's key over it. */
export interface RotationReport {
  readonly report: string;
  readonly mac: string;
}

/** How much is sealed in one column, by what it is sealed under: `tk1.default.2` or `ts1`. */
const Sealed = z.record(z.string(), z.record(z.string(), z.int()));
export type SealedCounts = z.infer<typeof Sealed>;

/** What the database has does not open: keys whose wraps stay under the old master key, and values under a good key. */
const Unopenable = z.strictObject({ keys: z.array(z.string()), values: z.array(z.string()) });

const Report = z.strictObject({
  format: z.literal("tenant-secrets-rotation/1"),
  rotation: z.uuid(),
  region: z.string(),
  fromVersion: z.int(),
  toVersion: z.int(),
  startedBy: z.string(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  backup: z.string().nullable(),
  companiesOpened: z.int(),
  unopenable: Unopenable,
  before: Sealed,
  after: Sealed,
});

/** Counts every encrypted column that the schema has, so that none can be forgotten in a report. */
export function countSealed(database: Database): Promise<SealedCounts> {
  return database.acrossCompanies(async (statements) => {
    const counts: SealedCounts = {};
    for (const { table, column, wraps } of encryptedColumns) {
      const name = sql.raw(`"${table}"."${column}"`);
      // A wrap says in its first three parts what it is under; a value, in its first, only its format.
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

const Verified = z.object({ sealed: Sealed, companiesOpened: z.int(), unopenable: Unopenable });

/** What a rotation knows of itself once it has verified. */
export function verifiedOf(row: Pick<RotationRow, "before">): z.infer<typeof Verified> {
  return Verified.parse(row.before);
}

export async function makeReport(
  database: Database,
  row: RotationRow,
  key: AuditKey,
): Promise<RotationReport & { readonly finishedAt: Date }> {
  const finishedAt = new Date();
  const { sealed, companiesOpened, unopenable } = verifiedOf(row);
  const report = JSON.stringify(
    Report.parse({
      format: "tenant-secrets-rotation/1",
      rotation: row.id,
      region: row.region,
      fromVersion: row.fromVersion,
      toVersion: row.toVersion,
      startedBy: `${row.startedByKind} ${row.startedById}`,
      startedAt: row.startedAt.toISOString(),
      finishedAt: finishedAt.toISOString(),
      backup: row.backupChecksum,
      companiesOpened,
      unopenable,
      before: sealed,
      after: await countSealed(database),
    }),
    null,
    2,
  );
  return { report, mac: macOf(report, key), finishedAt };
}

/**
 * @throws {TenantSecretsError} INVALID_INPUT where it is no report at all; INTEGRITY_FAILURE where it is not as it was made;
 *   CONFLICT where it says itself that something is still under the old key
 */
export function verifyReport({ report, mac }: RotationReport, key: AuditKey): z.infer<typeof Report> {
  const expected = Buffer.from(macOf(report, key));
  const given = Buffer.from(mac);
  const parsed = Report.safeParse(parseJson(report));
  if (!parsed.success) throw noReport();
  if (expected.length !== given.length || !timingSafeEqual(expected, given)) throw notGenuine();
  const old = `tk1.${parsed.data.region}.${parsed.data.fromVersion}`;
  const left = Object.entries(parsed.data.after).filter(([, counts]) => (counts[old] ?? 0) > 0);
  if (left.length > 0) {
    throw new TenantSecretsError(
      "CONFLICT",
      `The report is genuine, and says that ${left.map(([name]) => name).join(", ")} is still under the old key.`,
    );
  }
  return parsed.data;
}

/** The number of the record's key that a report was made with. @throws {TenantSecretsError} INVALID_INPUT */
export function macKeyNoOf({ report, mac }: RotationReport): number {
  const no = /^([1-9]\d{0,4})[.][A-Za-z0-9_-]{43}$/.exec(mac)?.[1];
  if (no === undefined || !Report.safeParse(parseJson(report)).success) throw noReport();
  return Number(no);
}

function macOf(report: string, key: AuditKey): string {
  return `${key.no}.${createHmac("sha256", key.macKey)
    .update(encodeFields(["tenant-secrets-rotation/1", report]))
    .digest("base64url")}`;
}

function noReport(): TenantSecretsError {
  return new TenantSecretsError(
    "INVALID_INPUT",
    "This is no report of a rotation with its MAC: send both as they were written when it was finished.",
  );
}

function notGenuine(): TenantSecretsError {
  return new TenantSecretsError(
    "INTEGRITY_FAILURE",
    "This report was changed, or was not made by this deployment.",
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
