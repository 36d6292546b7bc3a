import { sql, type SQL } from "drizzle-orm";
import { z } from "zod";
import { type AuditLog, createAuditRetention, measurePruning } from "@repo/audit-log";
import type { Database } from "@repo/db";
import { forgottenBefore } from "../access/request-ids.ts";
import type { Kept, Retention } from "../access/retention.ts";
import { dueDeliveries, forgetDeliveries } from "../notifications/forget-deliveries.ts";
import { createRunPruning } from "../runs/run-pruning.ts";
import { conditions } from "./maintenance.ts";
import { allDueVersions } from "./old-versions.ts";

/** Jobs that delete what was kept for as long as is set, and how far each of those is behind. */
export interface RetentionJobs {
  readonly pruneAuditEvents: (signal: AbortSignal) => Promise<number>;
  readonly forgetDeliveries: (signal: AbortSignal) => Promise<void>;
  readonly pruneRuns: (signal: AbortSignal) => Promise<number>;
  /** For metrics. */
  readonly measure: () => Promise<Readonly<Record<string, Due>>>;
}

/** What a job has to delete, of all companies. */
interface Due {
  /** Rows; of the audit log at most those of the oldest batches. */
  readonly due: number;
  /** How long that row has been due that has been due for longest; 0 where none is. */
  readonly seconds: number;
}

interface Parts {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly retention: Retention;
  readonly ownRegion: string;
}

export function createRetentionJobs(
  parts: Parts,
  kinds: Parameters<typeof createRunPruning>[1],
): RetentionJobs {
  const { database, audit, retention, ownRegion } = parts;
  const runs = createRunPruning(parts, kinds);
  const events = createAuditRetention(database, audit, async (statements) => {
    return (await retention.agreed(statements)).auditDays;
  });
  const { isServed, isDue: isToBePurged } = conditions(ownRegion);

  /** What each job has to delete, as rows with `since`. */
  const dueRows = (kept: Kept): Readonly<Record<string, SQL>> => {
    const runsDue = runs.due(kept.runDays);
    return {
      "destroy-old-versions": allDueVersions(kept, isServed),
      "purge-removed-secrets": sql`select recover_until as since from company_secrets where ${isToBePurged}`,
      "forget-deliveries": dueDeliveries(kept.deliveryDays),
      ...(runsDue && { "prune-runs": runsDue }),
      "forget-write-requests": sql`select w.created_at + interval '24 hours' as since from companies c
        join write_requests w on w.company_id = c.id and w.created_at <= ${forgottenBefore}
        union all select created_at + interval '24 hours' from management_requests where created_at <= ${forgottenBefore}`,
      "forget-rate-limits": sql`select expires_at as since from rate_limits where expires_at <= now()`,
    };
  };

  return {
    pruneAuditEvents: (signal) => events.prune(signal),
    forgetDeliveries: (signal) => forgetDeliveries(parts, signal),
    pruneRuns: (signal) => runs.prune(signal),
    measure: () =>
      database.acrossCompanies(async (statements) => {
        const kept = await retention.agreed(statements);
        const rows = await statements.execute(
          sql.join(
            Object.entries(dueRows(kept)).map(
              ([job, due]) => sql`select ${job}::text as job, count(*)::int as due,
                coalesce(extract(epoch from now() - min(since)), 0)::float8 as seconds from (${due}) ${sql.identifier(job)}`,
            ),
            sql` union all `,
          ),
        );
        const measured = Measured.parse([...rows]).map(({ job, ...due }): [string, Due] => [job, due]);
        if (kept.auditDays !== null)
          measured.push(["prune-audit-events", await measurePruning(statements, kept.auditDays)]);
        return Object.fromEntries(measured);
      }),
  };
}

const Measured = z.array(z.object({ job: z.string(), due: z.int(), seconds: z.number() }));
