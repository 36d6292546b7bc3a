import { sql } from "drizzle-orm";
import { z } from "zod";
import { tables, type Statements } from "@repo/db";

const { companies, companySecrets, companySecretVersions } = tables;

export interface DueCheck {
  /** The company's subdomain. */
  readonly company: string;
  readonly secretKey: string;
}

const DueChecks = z.array(z.object({ company: z.string(), secretKey: z.string() }));

/**
 * Finds secrets in the database whose current version has not been checked for 24 hours by the database's clock, in all
 * companies. Never-checked secrets come first, then the longest unchecked.
 *
 * @param asked.ownRegion where the companies are at home
 * @param asked.secretKeys limits the result to these
 */
export async function findDueChecks(
  statements: Statements,
  {
    ownRegion,
    secretKeys,
    limit,
  }: { readonly ownRegion: string; readonly secretKeys: readonly string[]; readonly limit: number },
): Promise<readonly DueCheck[]> {
  const rows = await statements.execute(sql`
    select c.subdomain as company, h.secret_key as "secretKey"
    from ${companySecrets} h
    join ${companies} c on c.id = h.company_id and c.status = 'active' and c.secret_store <> 'infisical' and c.home_region = ${ownRegion}
    join ${companySecretVersions} v
      on v.company_id = h.company_id and v.secret_key = h.secret_key and v.version = h.current_version
    where h.deleted_at is null and coalesce(v.checked_at <= now() - interval '24 hours', true)
      and h.secret_key in (select json_array_elements_text(${JSON.stringify(secretKeys)}::json))
    order by v.checked_at nulls first, h.company_id, h.secret_key limit ${limit}`);
  return DueChecks.parse([...rows]);
}
