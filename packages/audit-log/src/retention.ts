import { and, asc, desc, eq, gt, inArray, isNotNull, notInArray, sql, type SQL } from "drizzle-orm";
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

/**
 * @param findDays finds the retention period at each step; null forever. A trigger refuses to remove events younger than 30
 *   days
 */
export function createAuditRetention(
  database: Database,
  audit: AuditLog,
  findDays: (statements: Statements) => Promise<number | null>,
): AuditRetention {
  const step = (): Promise<number | undefined> =>
    database.acrossCompanies(async (statements) => {
      const olderThanDays = await findDays(statements);
      if (olderThanDays === null) return undefined;
      const [last] = await selectPrunings(statements, 1);
      const batches = await statements
        .select({ index: auditCheckpoints.index, leaves: auditCheckpoints.leaves })
        .from(auditCheckpoints)
        .where(and(gt(auditCheckpoints.index, last?.version ?? 0), isOlder(olderThanDays)))
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
      await audit.ready();
      let total = 0;
      while (!signal.aborted) {
        const removed = await step();
        if (removed === undefined) break;
        total += removed;
      }
      return total;
    },
  };
}

function isOlder(days: number): SQL {
  return sql`${auditCheckpoints.sealedAt} < now() - make_interval(days => ${days}::integer)`;
}

/** Batches that a measurement looks at: those of some hours. */
const batchesMeasured = 10_000;

/** Events that are due for pruning: how many, of the oldest batches, and since when those are that were due first. */
export async function measurePruning(
  statements: Statements,
  days: number,
): Promise<{ readonly due: number; readonly seconds: number }> {
  const [last] = await selectPrunings(statements, 1);
  const { index, sealedAt, size } = auditCheckpoints;
  const oldest = statements
    .select({ sealedAt, size })
    .from(auditCheckpoints)
    .where(gt(index, last?.version ?? 0))
    .orderBy(asc(index))
    .limit(batchesMeasured)
    .as("audit_checkpoints");
  const [measured] = await statements
    .select({
      due: sql<number>`coalesce(sum(${oldest.size}), 0)::float8`,
      seconds: sql<number>`coalesce(extract(epoch from now() - make_interval(days => ${days}::integer) - min(${oldest.sealedAt})), 0)::float8`,
    })
    .from(oldest)
    .where(isOlder(days));
  return measured ?? { due: 0, seconds: 0 };
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
