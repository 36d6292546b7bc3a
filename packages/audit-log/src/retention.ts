import { and, asc, desc, eq, gt, inArray, isNotNull, sql } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import { job } from "@repo/catalog";
import type { AuditLog } from "./event.ts";
import { unpackLeaves, type EventRow } from "./leaf.ts";

const { auditBatches, auditEvents } = tables;

/** Forgets events of the audit log that are old enough. */
export interface RecordRetention {
  /**
   * Removes the events of whole batches that were sealed longer ago than events are kept; the signed batches stay. Each step
   * commits together with an event `record.forget`, whose version is the last of these batches. Ends early, between two
   * steps, when told to.
   *
   * @returns how many events were removed; 0 where events are kept for good
   * @throws {TenantSecretsError} DATABASE_UNAVAILABLE, AUDIT_UNAVAILABLE
   */
  forget(signal: AbortSignal): Promise<number>;
}

/** About as many thousands of events. */
const batchesAtOnce = 10;

const keeper = job("record", { verbs: [], secretKeys: [] });

/** @param days how long events are kept; undefined for good. The database refuses to remove what is younger than 30 days. */
export function createRecordRetention(
  database: Database,
  audit: AuditLog,
  days: number | undefined,
): RecordRetention {
  const step = (olderThanDays: number): Promise<number | undefined> =>
    database.acrossCompanies(async (statements) => {
      const [last] = await selectForgettings(statements, 1);
      const batches = await statements
        .select({ no: auditBatches.no, leaves: auditBatches.leaves })
        .from(auditBatches)
        .where(
          and(
            gt(auditBatches.no, last?.version ?? 0),
            sql`${auditBatches.sealedAt} < now() - make_interval(days => ${olderThanDays})`,
          ),
        )
        .orderBy(asc(auditBatches.no))
        .limit(batchesAtOnce);
      const through = batches.at(-1)?.no;
      if (through === undefined) return undefined;
      const ids = batches.flatMap(({ leaves }) => unpackLeaves(leaves).map(({ id }) => id));
      // A trigger refuses it otherwise, so that nobody removes events by mistake.
      await statements.execute(sql`select set_config('tenant_secrets.forgets_events', 'on', true)`);
      const gone =
        ids.length === 0
          ? []
          : await statements
              .delete(auditEvents)
              .where(inArray(auditEvents.id, ids))
              .returning({ id: auditEvents.id });
      const event = { action: "record.forget", outcome: "allowed", version: through } as const;
      await audit.addTo(statements, keeper, event);
      return gone.length;
    });
  return {
    forget: async (signal) => {
      if (days === undefined) return 0;
      await audit.ready();
      let total = 0;
      while (!signal.aborted) {
        const gone = await step(days);
        if (gone === undefined) break;
        total += gone;
      }
      return total;
    },
  };
}

/** The latest events that say up to which batch others were removed. Whether they are genuine is not looked at. */
export function selectForgettings(statements: Statements, limit: number): Promise<EventRow[]> {
  return statements
    .select()
    .from(auditEvents)
    .where(and(eq(auditEvents.action, "record.forget"), isNotNull(auditEvents.version)))
    .orderBy(desc(auditEvents.version))
    .limit(limit);
}
