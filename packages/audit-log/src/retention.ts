import { and, asc, desc, eq, gt, inArray, isNotNull, sql } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import { systemCaller } from "@repo/catalog";
import type { AuditLog } from "./event.ts";
import { unpackLeaves, type EventRow } from "./leaf.ts";

const { auditCheckpoints, auditEvents } = tables;

/** Forgets events of the audit log that are old enough. */
export interface AuditRetention {
  /**
   * Removes the events of whole batches that were sealed longer ago than events are kept; the signed batches stay. Each step
   * commits together with an event `audit.prune`, whose version is the last of these batches. Ends early, between two
   * steps, when told to.
   *
   * @returns how many events were removed; 0 where events are kept for good
   * @throws {TenantSecretsError} DATABASE_UNAVAILABLE, AUDIT_UNAVAILABLE
   */
  prune(signal: AbortSignal): Promise<number>;
}

/** About as many thousands of events. */
const batchesAtOnce = 10;

const pruner = systemCaller("audit-log", { verbs: [], secretKeys: [] });

/** @param days how long events are kept; undefined for good. The database refuses to remove what is younger than 30 days. */
export function createAuditRetention(
  database: Database,
  audit: AuditLog,
  days: number | undefined,
): AuditRetention {
  const step = (olderThanDays: number): Promise<number | undefined> =>
    database.acrossCompanies(async (statements) => {
      const [last] = await selectPrunings(statements, 1);
      const batches = await statements
        .select({ index: auditCheckpoints.index, leaves: auditCheckpoints.leaves })
        .from(auditCheckpoints)
        .where(
          and(
            gt(auditCheckpoints.index, last?.version ?? 0),
            sql`${auditCheckpoints.sealedAt} < now() - make_interval(days => ${olderThanDays})`,
          ),
        )
        .orderBy(asc(auditCheckpoints.index))
        .limit(batchesAtOnce);
      const through = batches.at(-1)?.index;
      if (through === undefined) return undefined;
      const ids = batches.flatMap(({ leaves }) => unpackLeaves(leaves).map(({ id }) => id));
      // A trigger refuses it otherwise, so that nobody removes events by mistake.
      await statements.execute(sql`select set_config('tenant_secrets.prunes_audit_events', 'on', true)`);
      const gone =
        ids.length === 0
          ? []
          : await statements
              .delete(auditEvents)
              .where(inArray(auditEvents.id, ids))
              .returning({ id: auditEvents.id });
      const event = { action: "audit.prune", outcome: "success", version: through } as const;
      await audit.recordInTransaction(statements, pruner, event);
      return gone.length;
    });
  return {
    prune: async (signal) => {
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
export function selectPrunings(statements: Statements, limit: number): Promise<EventRow[]> {
  return statements
    .select()
    .from(auditEvents)
    .where(and(eq(auditEvents.action, "audit.prune"), isNotNull(auditEvents.version)))
    .orderBy(desc(auditEvents.version))
    .limit(limit);
}
