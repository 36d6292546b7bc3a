import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Statements } from "@repo/db";

const Found = z.array(
  z.object({
    /** The last batch before it. */
    batch: z.int(),
    /** When the first batch after it was sealed. */
    sealedAt: z.coerce.date(),
    acknowledged: z.boolean(),
  }),
);

/**
 * The last change of the server's timeline in the audit log, unless an operator has acknowledged it. Acknowledging takes all of them,
 * so that an earlier one need not be looked for. Timelines only grow within a cluster: a search by halves reads some twenty
 * checkpoints of millions. What it reads is not verified, which is for "audit verify".
 */
export async function selectOpenFailover(
  statements: Statements,
): Promise<{ readonly batch: number; readonly sealedAt: Date } | undefined> {
  const rows = await statements.execute(sql`
    with recursive last as (
      select index, timeline, cluster from audit_checkpoints order by index desc limit 1
    ), search (older, newer) as (
      select (select min(index) from audit_checkpoints), index from last
      union all
      select case when m.is_older then m.index else s.older end, case when m.is_older then s.newer else m.index end
      from search s cross join last l cross join lateral (
        select c.index, (c.timeline, c.cluster) is distinct from (l.timeline, l.cluster) as is_older
        from audit_checkpoints c where c.index = (s.older + s.newer) / 2) m
      where s.newer - s.older > 1
    )
    select b.index as batch, a.sealed_at as "sealedAt", exists (
      select from audit_events e where e.company_id is null and e.action = 'audit.acknowledge-failover' and e.outcome = 'success'
        and e.actor_kind = 'operator' and e.version = b.index and e.occurred_at >= b.sealed_at) as acknowledged
    from (select max(older) as older, min(newer) as newer from search) s
    join audit_checkpoints b on b.index = s.older join audit_checkpoints a on a.index = s.newer
    where b.cluster = a.cluster and b.timeline < a.timeline`);
  const [found] = Found.parse([...rows]);
  return found === undefined || found.acknowledged ? undefined : found;
}
