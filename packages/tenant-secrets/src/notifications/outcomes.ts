import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Database, Statements } from "@repo/db";
import type { AuditEntry, AuditLog } from "@repo/audit-log";
import { systemCaller } from "@repo/catalog";
import type { Attempt } from "./attempt.ts";
import { lockDeliveries } from "../access/webhook-endpoints.ts";

/** Attempts in a row that are refused for their address before the endpoint is disabled. */
const mostAddressFailures = 3;
/** An endpoint is disabled when everything has failed for so many days, and so many attempts at least. */
const failingDays = 5;
const leastFailures = 10;
/** Minutes of half the rate after an answer that asks for less. */
const throttledMinutes = 10;
const asksForLess: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const gone = 410;

const caller = systemCaller("webhooks", { verbs: [], secretKeys: [] });

const Changed = z.array(
  z.object({
    kind: z.enum(["verified", "disabled", "dead"]),
    id: z.uuid(),
    companyId: z.uuid().nullable(),
    reason: z.enum(["gone", "failures", "address"]).nullable(),
  }),
);

const reasons = { gone: "ENDPOINT_GONE", failures: "ENDPOINT_FAILS", address: "ENDPOINT_ADDRESS" } as const;

interface Parts {
  readonly database: Pick<Database, "acrossCompanies">;
  readonly audit: Pick<AuditLog, "ready" | "recordInTransaction">;
}

/**
 * Records what became of attempts, in one transaction. An attempt whose lease was taken over meanwhile is dropped.
 *
 * @returns how many deliveries were given up
 */
export async function recordAttempts(
  { database, audit }: Parts,
  attempts: readonly Attempt[],
): Promise<number> {
  await audit.ready();
  return database.acrossCompanies(async (statements) => {
    await lockDeliveries(statements);
    return recordIn(statements, audit, attempts);
  });
}

async function recordIn(
  statements: Statements,
  audit: Pick<AuditLog, "recordInTransaction">,
  attempts: readonly Attempt[],
): Promise<number> {
  const given = JSON.stringify(attempts.map(rowOf));
  const rows = await statements.execute(sql`
    with given as (
      select * from json_to_recordset(${given}::text::json) as g(id uuid, token bigint, started_at timestamptz, milliseconds real,
        status smallint, failure text, retry_ms double precision, throttles boolean, url text)
    ), done as (
      update webhook_deliveries d set
        attempts = d.attempts + 1,
        lease_until = null,
        state = case when g.failure is null then 'delivered' when g.retry_ms is null then 'dead' else 'waiting' end,
        finished_at = case when g.failure is null or g.retry_ms is null then now() end,
        next_at = case when g.retry_ms is null then d.next_at else now() + g.retry_ms * interval '1 ms' end
      from given g
      where d.id = g.id and d.lease_token = g.token and d.state = 'waiting'
      returning d.id, d.endpoint_id, d.company_id, d.state, g.started_at, g.milliseconds, g.status, g.failure, g.throttles, g.url
    ), logged as (
      insert into webhook_attempts (delivery_id, company_id, started_at, milliseconds, status, failure)
      select id, company_id, started_at, milliseconds, status, failure from done
      on conflict do nothing
    ), totals as (
      select endpoint_id, bool_or(failure is null) as succeeded, count(*) as attempts_failed, min(started_at) as since,
        count(*) filter (where failure = 'ADDRESS') as addresses, bool_or(status = ${gone}) as gone,
        bool_or(coalesce(throttles, false)) as throttles
      -- What an address answered that the endpoint had before says nothing about it now.
      from done join webhook_endpoints e on e.id = endpoint_id and e.url = done.url group by endpoint_id
    ), counted as (
      select e.id, e.company_id, e.state as before, t.*,
        case when t.succeeded then 0 else e.failures + t.attempts_failed end as all_failures,
        case when t.succeeded then null else coalesce(e.failing_since, t.since) end as all_since,
        case when t.addresses = 0 then 0 else e.address_failures + t.addresses end as all_addresses
      from totals t join webhook_endpoints e on e.id = t.endpoint_id
    ), decided as (
      select c.*, case when c.before <> 'active' and c.before <> 'unverified' then null
        when c.succeeded then null
        when c.gone then 'gone'
        when c.all_addresses >= ${mostAddressFailures} then 'address'
        when c.all_failures >= ${leastFailures} and c.all_since < now() - make_interval(days => ${failingDays}) then 'failures'
        end as disabled
      from counted c
    ), changed as (
      update webhook_endpoints e set
        failures = x.all_failures, failing_since = x.all_since, address_failures = x.all_addresses,
        throttled_until = case when x.throttles then now() + make_interval(mins => ${throttledMinutes}) else e.throttled_until end,
        verified_at = case when x.succeeded then coalesce(e.verified_at, now()) else e.verified_at end,
        state = case when x.disabled is not null then 'disabled' when x.succeeded and e.state = 'unverified' then 'active' else e.state end,
        disabled_reason = coalesce(x.disabled, e.disabled_reason)
      from decided x where e.id = x.id
      returning e.id, e.company_id, x.before, e.state, x.disabled
    )
    select case state when 'active' then 'verified' else 'disabled' end as kind, id, company_id as "companyId", disabled as reason
      from changed where before <> state
    union all
    select 'dead', d.id, e.company_id, null from done d join webhook_endpoints e on e.id = d.endpoint_id where d.state = 'dead'`);
  const changes = Changed.parse([...rows]);
  await audit.recordInTransaction(statements, caller, changes.map(entryOf));
  return changes.filter(({ kind }) => kind === "dead").length;
}

function rowOf({ delivery, startedAt, milliseconds, status, failure, retryMs }: Attempt) {
  return {
    id: delivery.id,
    token: delivery.token,
    started_at: startedAt,
    milliseconds,
    status,
    failure,
    retry_ms: retryMs,
    url: delivery.endpoint.url,
    throttles: status !== undefined && asksForLess.has(status),
  };
}

function entryOf({ kind, id, companyId, reason }: z.infer<typeof Changed>[number]): AuditEntry {
  const entry = { outcome: "success", subject: id, ...(companyId !== null && { companyId }) } as const;
  if (kind === "verified") return { ...entry, action: "webhook.verify" };
  if (kind === "dead") return { ...entry, action: "webhook.give-up", outcome: "failed" };
  return { ...entry, action: "webhook.disable", ...(reason !== null && { reason: reasons[reason] }) };
}
