import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Database } from "@repo/db";
import type { AuditLog } from "@repo/audit-log";
import { systemCaller } from "@repo/catalog";

/** The strategy's own rotation period, in days. */
export const dueAfterDays = 90;

const OverdueKeys = z.array(z.object({ region: z.string(), version: z.int() }));
export type OverdueKey = z.infer<typeof OverdueKeys>[number];

const caller = systemCaller("master-key-age", { verbs: [], secretKeys: [] });

/** How old the active master keys are, of all regions and by the database's clock. */
export interface MasterKeyAge {
  /** The work of a daily job: an event for each master key that is due for rotation. @returns those keys */
  remind(): Promise<readonly OverdueKey[]>;
}

export function createMasterKeyAge({
  database,
  audit,
}: {
  readonly database: Pick<Database, "acrossCompanies">;
  readonly audit: Pick<AuditLog, "ready" | "recordInTransaction">;
}): MasterKeyAge {
  return {
    remind: async () => {
      await audit.ready();
      return database.acrossCompanies(async (statements) => {
        const rows = await statements.execute(sql`
          select region, version from master_keys
          where status = 'active' and activated_at <= now() - make_interval(days => ${dueAfterDays}) order by region`);
        const keys = OverdueKeys.parse([...rows]);
        const events = keys.map(
          ({ region, version }) =>
            ({ action: "key.overdue", outcome: "success", subject: region, version }) as const,
        );
        await audit.recordInTransaction(statements, caller, events);
        return keys;
      });
    },
  };
}
