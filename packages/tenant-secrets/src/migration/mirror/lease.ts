import { randomUUID } from "node:crypto";
import { and, eq, isNull, lt, lte, or, sql } from "drizzle-orm";
import { type Database, enqueueJob, type Statements, tables } from "@repo/db";
import { TenantSecretsError } from "@repo/catalog";

const { companyStores } = tables;

/** The task of the job. Its key is the company, in the trigger of `packages/db/sql/mirror.sql` as well. */
export const mirrorTask = "mirror-company";

/** As `hold_mirror` extends it. */
const leaseSeconds = 40;
const now = sql`clock_timestamp()`;
/** How soon it is looked again whether what prevents a pass has ended, in seconds. */
export const lookAgainSeconds = 2;
const firstPauseSeconds = 5;
const longestPauseSeconds = 300;

/** The mirror was switched off, or another pass has taken it over. */
export class MirrorLost extends TenantSecretsError {
  constructor() {
    super("CONFLICT", "The mirror of this company was switched off, or another process has taken it over.");
  }
}

/** The right of one pass to write a company's mirror. */
export interface MirrorLease {
  /** The first statement of each transaction of the pass. @throws {MirrorLost} */
  hold(statements: Statements): Promise<void>;
  /** Ends it. @param isWhole whether nothing is left; the next pass begins at once otherwise */
  finish(isWhole: boolean): Promise<void>;
  /** Ends it after a failure. The next pass begins after a pause that doubles with each failure in a row. @returns the failures in a row */
  fail(): Promise<number>;
  /** Ends it. The next pass begins soon: this one could not go on for a reason that passes. */
  postpone(inSeconds: number): Promise<void>;
}

/**
 * Takes the lease for one pass. Where another pass has it, or a pause lasts, the job is put off to its end.
 *
 * @returns undefined where no pass is to begin now
 */
export async function takeMirror(database: Database, companyId: string): Promise<MirrorLease | undefined> {
  const holder = randomUUID();
  const taken = await database.acrossCompanies(async (statements) => {
    const [row] = await statements
      .update(companyStores)
      .set({ mirrorHolder: holder, mirrorUntil: sql`${now} + make_interval(secs => ${leaseSeconds})` })
      .where(
        and(
          eq(companyStores.companyId, companyId),
          eq(companyStores.isMirrored, true),
          or(isNull(companyStores.mirrorUntil), lt(companyStores.mirrorUntil, now)),
          or(isNull(companyStores.mirrorNotBefore), lte(companyStores.mirrorNotBefore, now)),
        ),
      )
      .returning({ companyId: companyStores.companyId });
    if (row === undefined) await putOff(statements, companyId);
    return row !== undefined;
  });
  return taken ? leaseOf(database, companyId, holder) : undefined;
}

function leaseOf(database: Database, companyId: string, holder: string): MirrorLease {
  const mine = and(eq(companyStores.companyId, companyId), eq(companyStores.mirrorHolder, holder));
  const ended = { mirrorHolder: null, mirrorUntil: null };
  return {
    hold: async (statements) => {
      const [row] = await statements.execute<{ held: boolean }>(
        sql`select hold_mirror(${companyId}, ${holder}) as held`,
      );
      if (row?.held !== true) throw new MirrorLost();
    },
    finish: (isWhole) =>
      database.acrossCompanies(async (statements) => {
        await statements
          .update(companyStores)
          .set({
            ...ended,
            mirrorFailures: 0,
            mirrorNotBefore: null,
            ...(isWhole && { mirrorComparedAt: sql`now()` }),
          })
          .where(mine);
        if (!isWhole) await enqueueMirror(statements, companyId, 0);
      }),
    fail: () =>
      database.acrossCompanies(async (statements) => {
        const pause = sql`least(${longestPauseSeconds}, ${firstPauseSeconds} * power(2, least(${companyStores.mirrorFailures}, 10)))`;
        const [row] = await statements
          .update(companyStores)
          .set({
            ...ended,
            mirrorFailures: sql`${companyStores.mirrorFailures} + 1`,
            mirrorNotBefore: sql`${now} + make_interval(secs => ${pause})`,
          })
          .where(mine)
          .returning({ failures: companyStores.mirrorFailures });
        await putOff(statements, companyId);
        return row?.failures ?? 0;
      }),
    postpone: (inSeconds) =>
      database.acrossCompanies(async (statements) => {
        await statements.update(companyStores).set(ended).where(mine);
        await enqueueMirror(statements, companyId, inSeconds);
      }),
  };
}

/** Until the pause or the other pass is over, if the company has a mirror at all. */
async function putOff(statements: Statements, companyId: string): Promise<void> {
  const pause = sql<number>`ceil(greatest(extract(epoch from ${companyStores.mirrorNotBefore} - ${now}), 0))::int`;
  const [row] = await statements
    .select({ pause })
    .from(companyStores)
    .where(and(eq(companyStores.companyId, companyId), eq(companyStores.isMirrored, true)));
  if (row !== undefined) await enqueueMirror(statements, companyId, Math.max(row.pause, lookAgainSeconds));
}

export async function enqueueMirror(
  statements: Statements,
  companyId: string,
  inSeconds: number,
): Promise<void> {
  await enqueueJob(statements, {
    task: mirrorTask,
    payload: { company: companyId },
    jobKey: companyId,
    runAt: new Date(Date.now() + inSeconds * 1000),
  });
}
