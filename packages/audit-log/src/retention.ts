import { and, asc, desc, eq, gt, inArray, isNotNull, notInArray, sql } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import { systemCaller } from "@repo/catalog";
import type { AuditLog } from "./event.ts";
import { failoverActions } from "./failovers.ts";
import { unpackLeaves, type EventRow } from "./leaf.ts";
import { takeFromSummaries } from "./summary.ts";

const { auditCheckpoints, auditEvents } = tables;

/** Removes old events from the audit log. */
export interface AuditRetention {
  /**
   * Removes the events of whole batches that were sealed before the retention period; the signed checkpoints stay. Each step
   * commits with an event `audit.prune`, whose version is the last of these batches.
   *
   * @param signal ends the work between two steps
   * @returns the number of removed events; 0 without a retention period
   * @throws {TenantSecretsError} DATABASE_UNAVAILABLE, AUDIT_UNAVAILABLE
   */
  prune(signal: AbortSignal): Promise<number>;
}

/** Batches of one transaction: about 10,000 events. */
const batchesAtOnce = 10;

const pruner = systemCaller("audit-log", { verbs: [], secretKeys: [] });

/** @param days the retention period; undefined for ever. A trigger refuses to remove events younger than 30 days */
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
      // A trigger refuses the deletion without this setting, so that no statement removes events by mistake.
      await statements.execute(sql`select set_config('tenant_secrets.prunes_audit_events', 'on', true)`);
      const removed =
        ids.length === 0
          ? []
          : await statements
              .delete(auditEvents)
              // The acknowledgement of a loss holds for as long as the checkpoints are archived.
              .where(and(inArray(auditEvents.id, ids), notInArray(auditEvents.action, [...failoverActions])))
              .returning();
      await takeFromSummaries(statements, removed);
      const event = { action: "audit.prune", outcome: "success", version: through } as const;
      await audit.recordInTransaction(statements, pruner, event);
      return removed.length;
    });
  return {
    prune: async (signal) => {
      if (days === undefined) return 0;
      await audit.ready();
      let total = 0;
      while (!signal.aborted) {
        const removed = await step(days);
        if (removed === undefined) break;
        total += removed;
      }
      return total;
    },
  };
}

/** The latest `audit.prune` events, by the batch that they name. Their MACs are not checked. */
export function selectPrunings(statements: Statements, limit: number): Promise<EventRow[]> {
  return statements
    .select()
    .from(auditEvents)
    .where(and(eq(auditEvents.action, "audit.prune"), isNotNull(auditEvents.version)))
    .orderBy(desc(auditEvents.version))
    .limit(limit);
}
