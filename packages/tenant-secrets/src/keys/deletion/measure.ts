import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Database } from "@repo/db";

const Measured = z.object({
  /** Companies whose deletion is scheduled, and whose date has not come. */
  scheduled: z.int(),
  /** Companies whose date has passed, and that are not deleted. */
  overdue: z.int(),
});
export type DeletionMeasurements = Readonly<z.infer<typeof Measured>>;

/** How many companies are being deleted, by the database and its clock. */
export async function measureDeletions({
  acrossCompanies,
}: Pick<Database, "acrossCompanies">): Promise<DeletionMeasurements> {
  const [row] = await acrossCompanies((statements) =>
    statements.execute(sql`
      select count(*) filter (where at > now())::integer as scheduled, count(*) filter (where at <= now())::integer as overdue
      from (select to_timestamp((input->>'deleteAtMs')::float8 / 1000) as at from runs
        where kind = 'delete-company' and finished_at is null) r`),
  );
  return Measured.parse(row);
}
