import { sql } from "drizzle-orm";
import type { AuditLog } from "@repo/audit-log";
import { tables, type Database } from "@repo/db";
import { RotationReason } from "@repo/catalog";
import { scheduler } from "./begin.ts";
import { stuck } from "./sticking.ts";

const { rotationPolicies } = tables;

/** Policies in one transaction. */
const batchSize = 500;

interface ReminderParts {
  readonly database: Pick<Database, "acrossCompanies">;
  readonly audit: Pick<AuditLog, "ready" | "recordInTransaction">;
}

/**
 * Tells of each stuck policy of a company that is served, a day after it became stuck or was told of. The reminder is a change of
 * the policy, so that it is one a day, over all processes.
 *
 * @returns how many
 */
export async function remindOfStuck(
  { database, audit }: ReminderParts,
  signal: AbortSignal,
): Promise<number> {
  let reminded = 0;
  await audit.ready();
  for (let more = true; more && !signal.aborted;) {
    const told = await database.acrossCompanies(async (statements) => {
      const policies = await statements
        .update(rotationPolicies)
        .set({ updatedAt: sql`now()` })
        .where(
          sql`(${rotationPolicies.companyId}, ${rotationPolicies.secretKey}) in (
            select p.company_id, p.secret_key from rotation_policies p
            join companies c on c.id = p.company_id and c.status = 'active' and c.secret_store <> 'infisical'
            where p.state = 'stuck' and p.updated_at <= now() - interval '1 day'
            order by p.updated_at limit ${batchSize} for update of p skip locked)`,
        )
        .returning();
      const events = policies.map(({ companyId, secretKey, lastRunId, reason }) =>
        stuck({
          companyId,
          secretKey,
          subject: lastRunId ?? undefined,
          reason: RotationReason.safeParse(reason).data,
        }),
      );
      if (events.length > 0) await audit.recordInTransaction(statements, scheduler, events);
      return events.length;
    });
    reminded += told;
    more = told === batchSize;
  }
  return reminded;
}
