import type postgres from "postgres";
import { exportPublication, namesOf, type Route } from "./names.ts";
import { isPublished } from "./publish.ts";

/** The copies of one route at one of its ends. */
export interface CopiesDigest {
  readonly copies: number;
  /** SHA-256 over all of them, in hexadecimal. */
  readonly digest: string;
}

/** A slot of a publisher. `missing`: the first copy has not begun, or the slot was dropped. */
export interface SlotState {
  readonly state: "missing" | "inactive" | "active" | "lost";
  /** Bytes of WAL that its subscriber has not confirmed, which the publisher keeps. */
  readonly behindBytes: number;
}

/** A subscription of a subscriber. */
export interface SubscriptionState {
  readonly state: "missing" | "disabled" | "down" | "copying" | "running";
  /** Errors since the server's statistics were reset. A lost slot is none. */
  readonly errors: number;
}

export interface HomeState extends CopiesDigest {
  readonly isPublished: boolean;
  readonly slot: SlotState;
}

export interface ExportState extends CopiesDigest {
  readonly subscription: SubscriptionState;
  readonly slot: SlotState;
}

export interface TargetState extends CopiesDigest {
  readonly subscription: SubscriptionState;
  /** When what is here was last known to be all, by the home's clock; undefined where no beat has arrived. */
  readonly beatAt: Date | undefined;
  /** Copies that were refused. */
  readonly refusals: number;
}

/** @param sql of the home's database, as a role that sees all copies, as do the others */
export async function readHomeState(sql: postgres.Sql, route: Route): Promise<HomeState> {
  return {
    isPublished: await isPublished(sql, route),
    slot: await readSlot(sql, namesOf(route).exportSubscription),
    ...(await digestCopies(sql, route)),
  };
}

export async function readExportState(sql: postgres.Sql, route: Route): Promise<ExportState> {
  const names = namesOf(route);
  return {
    subscription: await readSubscription(sql, names.exportSubscription, names.publication),
    slot: await readSlot(sql, names.slot),
    ...(await digestCopies(sql, route)),
  };
}

export async function readTargetState(sql: postgres.Sql, route: Route): Promise<TargetState> {
  const { subscription } = namesOf(route);
  const { home, target } = route;
  const [beat] = await sql<{ beatAt: Date }[]>`
    select beat_at as "beatAt" from public.region_beats where home_region = ${home} and target_region = ${target}`;
  const [refused] = await sql<{ refusals: number }[]>`
    select count(*)::int as refusals from public.region_refusals where subscription = ${subscription}`;
  return {
    subscription: await readSubscription(sql, subscription, exportPublication),
    beatAt: beat?.beatAt,
    refusals: refused?.refusals ?? 0,
    ...(await digestCopies(sql, route)),
  };
}

/**
 * @param companyId default: all companies
 * @returns what both ends of a route have in common when nothing is on its way
 */
export async function digestCopies(
  sql: postgres.Sql,
  { home, target }: Route,
  companyId?: string,
): Promise<CopiesDigest> {
  const [found] = await sql<CopiesDigest[]>`
    select count(*)::int as copies,
      encode(sha256(coalesce(string_agg(sha256(convert_to(t::text, 'UTF8')), '' order by company_id, kind, name), '')), 'hex') as digest
    from public.region_copies t
    where target_region = ${target} and home_region = ${home} and (${companyId ?? null}::uuid is null or company_id = ${companyId ?? null}::uuid)`;
  if (found === undefined) throw new Error("an aggregate has one row");
  return found;
}

async function readSlot(sql: postgres.Sql, name: string): Promise<SlotState> {
  const [slot] = await sql<SlotState[]>`
    select case when wal_status = 'lost' then 'lost' when active then 'active' else 'inactive' end as state,
      coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0)::float8 as "behindBytes"
    from pg_replication_slots where slot_name = ${name}`;
  return slot ?? { state: "missing", behindBytes: 0 };
}

/** A subscription that has another publication than that of the route is none of it. */
async function readSubscription(
  sql: postgres.Sql,
  name: string,
  publication: string,
): Promise<SubscriptionState> {
  const [found] = await sql<SubscriptionState[]>`
    select case
        when s.subpublications <> array[${publication}]::text[] then 'missing'
        when not s.subenabled then 'disabled'
        when not exists (select from pg_stat_subscription w where w.subid = s.oid and w.worker_type = 'apply' and w.pid is not null) then 'down'
        when exists (select from pg_subscription_rel r where r.srsubid = s.oid and r.srsubstate <> 'r')
          or (select count(*) from pg_subscription_rel r where r.srsubid = s.oid) <> 2 then 'copying'
        else 'running'
      end as state,
      coalesce((select e.apply_error_count + e.sync_error_count from pg_stat_subscription_stats e where e.subid = s.oid), 0)::int as errors
    from pg_subscription s where s.subname = ${name} and s.subdbid = (select oid from pg_database where datname = current_database())`;
  return found ?? { state: "missing", errors: 0 };
}
