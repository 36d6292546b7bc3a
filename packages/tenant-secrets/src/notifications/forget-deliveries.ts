import { sql, type SQL } from "drizzle-orm";
import type { Database, Statements } from "@repo/db";
import { daysAgo, type Retention } from "../access/retention.ts";

interface Parts {
  readonly database: Pick<Database, "acrossCompanies">;
  readonly retention: Pick<Retention, "agreed">;
}

/** Deliveries, and notifications, that one transaction deletes. */
const mostAtOnce = 5000;

/** Deletes deliveries that are due, with their attempts, and then notifications that have none left. */
export async function forgetDeliveries({ database, retention }: Parts, signal: AbortSignal): Promise<void> {
  let deleted = 1;
  while (deleted > 0 && !signal.aborted)
    deleted = await database.acrossCompanies(async (statements) => {
      const { deliveryDays } = await retention.agreed(statements);
      return forgetBatch(statements, deliveryDays);
    });
}

async function forgetBatch(statements: Statements, days: number): Promise<number> {
  const finished = await statements.execute(sql`
    with old as materialized (
      select id from (${dueDeliveries(days)}) due limit ${mostAtOnce}
    ), log as (
      delete from webhook_attempts a using old where a.delivery_id = old.id
    )
    delete from webhook_deliveries d using old where d.id = old.id returning 1`);
  const orphaned = await statements.execute(sql`
    delete from notifications n where n.id in (
      select o.id from notifications o where o.created_at <= ${daysAgo(days)} and not ${isOfSuspended(sql`o`)}
        and not exists (select from webhook_deliveries d where d.notification_id = o.id) limit ${mostAtOnce})
    returning 1`);
  return finished.length + orphaned.length;
}

/**
 * Deliveries that are older than is kept, as rows with `since`. One that is still to be tried stays: it waits for an endpoint that is sent to.
 * One that is parked is not, since a resumption leaves those of more than 72 hours dead.
 */
export function dueDeliveries(days: number): SQL {
  return sql`select d.id, d.created_at + make_interval(days => ${days}::integer) as since
    from webhook_endpoints e join webhook_deliveries d on d.endpoint_id = e.id and d.created_at <= ${daysAgo(days)}
    where not ${isOfSuspended(sql`e`)} and (d.lease_until is null or d.lease_until <= now())
      and not (d.state = 'waiting' and (e.state = 'active' or e.state = 'unverified' and d.type = 'webhook.test')
        and not exists (select from companies c where c.id = e.company_id and c.status = 'deleted'))`;
}

function isOfSuspended(table: SQL): SQL {
  return sql`exists (select from companies c where c.id = ${table}.company_id and c.status = 'suspended')`;
}
