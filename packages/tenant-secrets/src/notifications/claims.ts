import { sql } from "drizzle-orm";
import { z } from "zod";
import { sentWhileSuspended } from "@repo/catalog";
import type { Database, Statements } from "@repo/db";
import { lockDeliveries } from "../access/webhook-endpoints.ts";

/** Seconds that a claimed delivery is its process's own: longer than an attempt takes at most. */
const leaseSeconds = 30;

/** Attempts at a time: to one endpoint, to one endpoint whose last attempt failed, and of one company. */
const mostOfEndpoint = 4;
const mostOfFailing = 1;
const mostOfCompany = 8;
/** Of the newest deliveries to an endpoint of a suspended company, in which those are looked for that it gets nevertheless. */
const mostLookedThrough = 1000;

const Claimed = z.array(
  z.object({
    id: z.uuid(),
    token: z.coerce.number(),
    attempts: z.int(),
    type: z.string(),
    notificationId: z.uuid(),
    body: z.string(),
    endpoint: z.object({
      id: z.uuid(),
      companyId: z.uuid().nullable(),
      url: z.string(),
      secretNumber: z.int(),
      secretKeyVersion: z.int(),
      previousKeyVersion: z.int().nullable(),
    }),
    /** Milliseconds since 1970 by the database's clock. */
    now: z.coerce.number(),
  }),
);
/** A delivery that is this process's to attempt, until its lease ends. */
export type ClaimedDelivery = z.infer<typeof Claimed>[number];

const columns = sql`
  d.id, d.lease_token as token, d.attempts, d.type, d.notification_id as "notificationId", n.body,
  json_build_object('id', e.id, 'companyId', e.company_id, 'url', e.url, 'secretNumber', e.secret_number,
    'secretKeyVersion', e.secret_key_version,
    'previousKeyVersion', case when e.previous_until > now() then e.previous_key_version end) as endpoint,
  extract(epoch from clock_timestamp()) * 1000 as now`;

/**
 * Claims deliveries that are due, one company after the other, within the limits of each endpoint and company. One process claims
 * at a time.
 *
 * @param most at once
 */
export function claimDue(
  { acrossCompanies }: Pick<Database, "acrossCompanies">,
  most: number,
): Promise<readonly ClaimedDelivery[]> {
  return acrossCompanies(async (statements) => {
    await lockDeliveries(statements);
    // The endpoints that have anything waiting are found by one probe of the index each, however much waits for them.
    const rows = await statements.execute(sql`
      with recursive waiting (endpoint_id) as (
        (select endpoint_id from webhook_deliveries where state = 'waiting' order by endpoint_id limit 1)
        union all
        select (select d.endpoint_id from webhook_deliveries d
          where d.state = 'waiting' and d.endpoint_id > w.endpoint_id order by d.endpoint_id limit 1)
        from waiting w where w.endpoint_id is not null
      ), busy as (
        select endpoint_id, count(*) as attempts from webhook_deliveries where lease_until > now() group by endpoint_id
      ), paced as (
        select e.id, coalesce(e.company_id, e.id) as owner, e.state, coalesce(c.status = 'suspended', false) as suspended,
          case when e.failing_since is null then ${mostOfEndpoint}::bigint else ${mostOfFailing}::bigint end - coalesce(b.attempts, 0) as room,
          coalesce(b.attempts, 0) as attempts,
          e.per_second / case when e.throttled_until > now() then 2.0 else 1.0 end as rate, e.paced_until
        from waiting w join webhook_endpoints e on e.id = w.endpoint_id
        left join busy b on b.endpoint_id = e.id
        left join companies c on c.id = e.company_id
        where e.state in ('active', 'unverified') and (c.id is null or c.status <> 'deleted')
      ), allowed as (
        select p.id, p.owner, p.state, p.suspended, sum(p.attempts) over (partition by p.owner) as owner_attempts, p.rate, b.base,
          least(p.room, floor(extract(epoch from clock_timestamp() - b.base) * p.rate)) as room
        from paced p cross join lateral (
          select greatest(p.paced_until, clock_timestamp() - make_interval(secs => greatest(1, 1 / p.rate))) as base) as b
      ), picked as (
        select d.id, a.owner_attempts, row_number() over (partition by a.owner order by d.next_at, d.id) as place
        from allowed a cross join lateral (
          (select d.id, d.next_at from webhook_deliveries d
          where not a.suspended and d.endpoint_id = a.id and d.state = 'waiting' and d.next_at <= now()
            and (d.lease_until is null or d.lease_until <= now()) and (a.state = 'active' or d.type = 'webhook.test')
          order by d.next_at limit greatest(a.room, 0)::integer)
          union all
          (select d.id, d.next_at from (
            select * from webhook_deliveries n
            where a.suspended and n.endpoint_id = a.id and n.state = 'waiting' and n.next_at <= now()
            order by n.next_at desc limit ${mostLookedThrough}) as d
          where a.state = 'active' and (d.lease_until is null or d.lease_until <= now())
            and d.type in (${sql.join(
              sentWhileSuspended.map((type) => sql`${type}`),
              sql`, `,
            )})
          order by d.next_at limit greatest(a.room, 0)::integer)) as d
      ), chosen as (
        select id from picked where place <= ${mostOfCompany} - owner_attempts order by place, random() limit ${most}
      ), leased as (
        update webhook_deliveries d set lease_until = now() + make_interval(secs => ${leaseSeconds}), lease_token = lease_token + 1
        from chosen where chosen.id = d.id
        returning d.*
      ), pacing as (
        update webhook_endpoints e set paced_until = a.base + make_interval(secs => l.attempts / a.rate)
        from (select endpoint_id, count(*) as attempts from leased group by endpoint_id) as l
        join allowed a on a.id = l.endpoint_id where e.id = l.endpoint_id
      )
      select ${columns}
      from leased d join notifications n on n.id = d.notification_id join webhook_endpoints e on e.id = d.endpoint_id`);
    return Claimed.parse([...rows]);
  });
}

/** Claims one delivery that waits, whenever it is due. @returns undefined where it waits no more, or is being attempted */
export async function claimOne(statements: Statements, id: string): Promise<ClaimedDelivery | undefined> {
  const rows = await statements.execute(sql`
    with leased as (
      update webhook_deliveries d set lease_until = now() + make_interval(secs => ${leaseSeconds}), lease_token = lease_token + 1
      where d.id = ${id} and d.state = 'waiting' and (d.lease_until is null or d.lease_until <= now())
      returning d.*
    )
    select ${columns}
    from leased d join notifications n on n.id = d.notification_id join webhook_endpoints e on e.id = d.endpoint_id`);
  return Claimed.parse([...rows])[0];
}
