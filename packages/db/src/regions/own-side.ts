import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Statements } from "../connect.ts";
import { exportPublication, namesOf } from "./names.ts";
import type { RouteFault } from "./faults.ts";

const Side = z.object({
  /** What this region has for the other one, which an export reads. */
  sends: z.object({
    companies: z.int(),
    copies: z.int(),
    digest: z.string().nullable(),
    publication: z.enum(["none", "intact", "changed"]),
    slot: z.enum(["missing", "inactive", "active", "lost"]),
    walBytes: z.number(),
  }),
  /** What the other region has sent here. */
  takes: z.object({
    copies: z.int(),
    digest: z.string().nullable(),
    subscription: z.enum(["missing", "disabled", "down", "copying", "running"]),
    /** By this region's clock, since the last beat that arrived, which was written by the other region's clock. */
    beatAgeMs: z.number().nullable(),
    refusals: z.int(),
  }),
});

/** What one region sees by itself of both routes between it and another one. The other ends have a view of their own. */
export type RegionSide = Readonly<z.infer<typeof Side>>;

/**
 * @param statements of the maintenance role
 * @param withDigests whether to read all copies
 */
export async function readRegionSide(
  statements: Statements,
  {
    own,
    other,
    withDigests,
  }: { readonly own: string; readonly other: string; readonly withDigests: boolean },
): Promise<RegionSide> {
  const out = namesOf({ home: own, target: other });
  const back = namesOf({ home: other, target: own });
  const filter = `(target_region = '${other}'::text)`;
  const digest = withDigests
    ? sql`encode(sha256(coalesce(string_agg(sha256(convert_to(t::text, 'UTF8')), '' order by company_id, kind, name), '')), 'hex')`
    : sql`null`;
  const copies = (home: string, target: string) => sql`
    (select json_build_object('copies', count(*), 'digest', ${digest}) from public.region_copies t
      where t.home_region = ${home} and t.target_region = ${target})`;
  const [row] = await statements.execute(sql`
    select ${copies(own, other)} as sent, ${copies(other, own)} as taken,
      (select count(*)::int from public.company_regions r where r.region = ${other}) as companies,
      coalesce((select case when bool_and(p.pubinsert and p.pubupdate and p.pubdelete and not p.puballtables)
            and array_agg(t.schemaname || '.' || t.tablename || ' ' || coalesce(t.rowfilter, '') order by t.tablename)
              = array[${`public.region_beats ${filter}`}, ${`public.region_copies ${filter}`}]::text[]
          then 'intact' else 'changed' end
        from pg_publication p left join pg_publication_tables t on t.pubname = p.pubname
        where p.pubname = ${out.publication} having count(*) > 0), 'none') as publication,
      coalesce((select case when wal_status = 'lost' then 'lost' when active then 'active' else 'inactive' end
        from pg_replication_slots where slot_name = ${out.exportSubscription}), 'missing') as slot,
      coalesce((select pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::float8
        from pg_replication_slots where slot_name = ${out.exportSubscription}), 0) as "walBytes",
      coalesce((select case
            when s.subpublications <> array[${exportPublication}]::text[] then 'missing'
            when not s.subenabled then 'disabled'
            when not exists (select from pg_stat_subscription w where w.subid = s.oid and w.worker_type = 'apply' and w.pid is not null) then 'down'
            when exists (select from pg_subscription_rel r where r.srsubid = s.oid and r.srsubstate <> 'r')
              or (select count(*) from pg_subscription_rel r where r.srsubid = s.oid) <> 2 then 'copying'
            else 'running' end
        from pg_subscription s where s.subname = ${back.subscription}
          and s.subdbid = (select oid from pg_database where datname = current_database())), 'missing') as subscription,
      (select (extract(epoch from clock_timestamp() - beat_at) * 1000)::float8 from public.region_beats
        where home_region = ${other} and target_region = ${own}) as "beatAgeMs",
      (select count(*)::int from public.region_refusals where subscription = ${back.subscription}) as refusals`);
  const { sent, taken, companies, publication, slot, walBytes, ...rest } = Row.parse(row);
  const { subscription, beatAgeMs, refusals } = rest;
  return Side.parse({
    sends: { companies, ...sent, publication, slot, walBytes },
    takes: { ...taken, subscription, beatAgeMs, refusals },
  });
}

const Row = z.looseObject({ sent: z.looseObject({}), taken: z.looseObject({}) });

/** Beats are made each second, and pass two servers. */
const longestBeatMs = 30_000;

/**
 * What is wrong with a route, as far as one end sees it. A route of which nothing was set up, and that nothing needs, has no fault.
 *
 * @returns of what is sent and of what is taken, each in the order of {@link RouteFault}
 */
export function faultsOfSide({ sends, takes }: RegionSide): {
  readonly sends: readonly RouteFault[];
  readonly takes: readonly RouteFault[];
} {
  const isSent = sends.companies > 0 || sends.publication !== "none";
  const isTaken = takes.copies > 0 || takes.subscription !== "missing" || takes.beatAgeMs !== null;
  const sending: readonly (RouteFault | false)[] = [
    sends.publication !== "intact" && "publication-changed",
    (sends.slot === "lost" || sends.slot === "missing") && "slot-lost",
    sends.slot === "inactive" && "slot-inactive",
  ];
  const taking: readonly (RouteFault | false)[] = [
    takes.subscription === "missing" && "subscription-missing",
    takes.subscription === "disabled" && "subscription-disabled",
    takes.subscription === "down" && "worker-down",
    takes.subscription === "copying" && "copying",
    takes.refusals > 0 && "refused",
    (takes.beatAgeMs === null || takes.beatAgeMs > longestBeatMs) && "late",
  ];
  const found = (faults: typeof sending) => faults.filter((fault) => fault !== false);
  return { sends: isSent ? found(sending) : [], takes: isTaken ? found(taking) : [] };
}
