import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Database } from "@repo/db";

const Measured = z.object({
  /** Seconds since when the delivery that is due for the longest time could have been attempted; 0 where none is due. */
  lagSeconds: z.coerce.number(),
  /** Endpoints by their state, of all companies and the platform. */
  endpoints: z.object({ unverified: z.int(), active: z.int(), paused: z.int(), disabled: z.int() }),
});
export type DeliveryMeasurements = Readonly<z.infer<typeof Measured>>;

/** How far deliveries are behind, by the database. What waits for an endpoint that is paused or disabled does not count. */
export async function measureDeliveries({
  acrossCompanies,
}: Pick<Database, "acrossCompanies">): Promise<DeliveryMeasurements> {
  const [row] = await acrossCompanies((statements) =>
    statements.execute(sql`
      select coalesce(max(extract(epoch from now() - due.next_at)), 0) as "lagSeconds",
        json_build_object(
          'unverified', count(*) filter (where e.state = 'unverified'), 'active', count(*) filter (where e.state = 'active'),
          'paused', count(*) filter (where e.state = 'paused'), 'disabled', count(*) filter (where e.state = 'disabled')
        ) as endpoints
      from webhook_endpoints e
      left join companies c on c.id = e.company_id
      left join lateral (
        select d.next_at from webhook_deliveries d
        where e.state = 'active' and (c.id is null or c.status = 'active')
          and d.endpoint_id = e.id and d.state = 'waiting' and d.next_at <= now()
        order by d.next_at limit 1
      ) as due on true`),
  );
  return Measured.parse(row);
}
