import { isNotNull, and, gt, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import { z } from "zod";

const { processes } = tables;

/** What may be set, from the least to the most. docs/retention.md says why. */
export const retentionBounds = {
  versions: [1, 10_000],
  versionDays: [1, 36_500],
  /** As long as what was ended is listed, and a migration's copy is kept for its rollback. */
  runDays: [30, 36_500],
  /** Longer than a delivery is tried: ten attempts within 91 hours, with the longest waits that chance gives. */
  deliveryDays: [4, 3650],
} as const;

/** For how long jobs keep what they delete. */
export interface RetentionOptions {
  /** Versions of a secret that keep their values whatever their age: the current one, and those that were replaced last. Default: 20 */
  readonly versions?: number | undefined;
  /** For how many days a replaced version keeps its value at least. Default: 1 */
  readonly versionDays?: number | undefined;
  /** For how many days a finished run is kept. Default: forever */
  readonly runDays?: number | undefined;
  /** For how many days a notification and its deliveries are kept. Default: 30 */
  readonly deliveryDays?: number | undefined;
}

const Kept = z.object({
  versions: z.int(),
  versionDays: z.int(),
  deliveryDays: z.int(),
  /** Null: forever. */
  runDays: z.int().nullable(),
  auditDays: z.int().nullable(),
});
/** How many versions of a secret keep their values, and for how many days values, deliveries, runs and events stay. */
export type Kept = Readonly<z.infer<typeof Kept>>;

export interface Retention {
  /** What this process is set to, for the other processes; undefined where nothing was set. */
  readonly told: Kept | undefined;
  /**
   * What the processes that serve this database agree on: of what each is set to, the longest. So during a restart with other
   * settings nothing is deleted that one of them keeps. A process counts until ten minutes after it was last seen.
   */
  agreed(statements: Statements): Promise<Kept>;
}

/**
 * @param auditDays for how long events of the audit log are kept; undefined forever
 * @throws {TypeError} for a number outside of {@link retentionBounds}
 */
export function createRetention(
  options: RetentionOptions | undefined,
  auditDays: number | undefined,
): Retention {
  const { versions = 20, versionDays = 1, deliveryDays = 30, runDays } = options ?? {};
  for (const [name, value] of Object.entries({ versions, versionDays, deliveryDays, runDays }))
    requireInBounds(name, value);
  const own: Kept = {
    versions,
    versionDays,
    deliveryDays,
    runDays: runDays ?? null,
    auditDays: auditDays ?? null,
  };
  return {
    told: options === undefined && auditDays === undefined ? undefined : own,
    agreed: async (statements) => {
      const rows = await statements
        .select({ retention: processes.retention })
        .from(processes)
        .where(and(isNotNull(processes.retention), gt(processes.seenAt, sql`now() - interval '10 minutes'`)));
      return rows.map(({ retention }) => Kept.parse(retention)).reduce(longest, own);
    },
  };
}

function longest(one: Kept, other: Kept): Kept {
  const days = (a: number | null, b: number | null) => (a === null || b === null ? null : Math.max(a, b));
  return {
    versions: Math.max(one.versions, other.versions),
    versionDays: Math.max(one.versionDays, other.versionDays),
    deliveryDays: Math.max(one.deliveryDays, other.deliveryDays),
    runDays: days(one.runDays, other.runDays),
    auditDays: days(one.auditDays, other.auditDays),
  };
}

function requireInBounds(name: string, value: number | undefined): void {
  const bounds = Object.entries(retentionBounds).find(([bounded]) => bounded === name)?.[1];
  if (value === undefined || bounds === undefined) return;
  const [least, most] = bounds;
  if (!Number.isInteger(value) || value < least || value > most)
    throw new TypeError(`retention.${name} is no whole number from ${least} to ${most}.`);
}

/** The time so many days ago, as SQL: what ended then or before is due. */
export function daysAgo(days: number) {
  return sql`now() - make_interval(days => ${days}::integer)`;
}
