import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Database } from "@repo/db";

const Measured = z.object({
  policies: z.object({ active: z.int(), paused: z.int(), stuck: z.int() }),
  /** Seconds since when the policy that is due for the longest time could have been begun; 0 where none is due. */
  overdueSeconds: z.coerce.number(),
  /** Runs that are not over: `person` waits for one, `stopped` has to be resumed by an operator. */
  runs: z.object({ working: z.int(), person: z.int(), stopped: z.int() }),
  /** Credentials that may be left at a provider. */
  orphans: z.int(),
});
export type RotationMeasurements = Readonly<z.infer<typeof Measured>>;

/** How rotations are doing, of all companies, by the database. */
export async function measureRotations({
  acrossCompanies,
}: Pick<Database, "acrossCompanies">): Promise<RotationMeasurements> {
  const [row] = await acrossCompanies((statements) =>
    statements.execute(sql`
      select
        (select json_build_object('active', count(*) filter (where p.state = 'active'),
          'paused', count(*) filter (where p.state = 'paused'), 'stuck', count(*) filter (where p.state = 'stuck'))
          from rotation_policies p) as policies,
        (select coalesce(max(extract(epoch from now() - p.next_due_at)), 0) from rotation_policies p
          join companies c on c.id = p.company_id and c.status = 'active' and c.secret_store <> 'infisical'
          where p.state = 'active' and p.next_due_at <= now()) as "overdueSeconds",
        (select json_build_object('working', count(*) filter (where r.state = 'running' and r.phase not in ('ask', 'ask-retire')),
          'person', count(*) filter (where r.state = 'running' and r.phase in ('ask', 'ask-retire')),
          'stopped', count(*) filter (where r.state in ('failed', 'paused')))
          from runs r where r.kind = 'rotate-secret' and r.finished_at is null) as runs,
        (select count(*)::integer from rotation_credentials where state = 'orphan') as orphans`),
  );
  return Measured.parse(row);
}
