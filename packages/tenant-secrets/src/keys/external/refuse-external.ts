import { inArray, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import { TenantSecretsError } from "@repo/catalog";

const { companies } = tables;

/**
 * A folder in Infisical, and another region, would have a company's values or keys without the key that wraps them.
 *
 * @param what would be done, after "its values and keys are not"
 * @throws {TenantSecretsError} CONFLICT if the keys of one of these companies are wrapped by a key of its own
 */
export async function refuseExternal(
  statements: Statements,
  companyIds: readonly string[],
  what: string,
): Promise<void> {
  const [found] = await statements
    .select({ subdomain: companies.subdomain })
    .from(companies)
    .where(
      sql`${inArray(companies.id, [...companyIds])} and exists (
        select from company_key_wraps w where w.company_id = ${companies.id} and w.wrapped like 'tx1.%')`,
    )
    .limit(1);
  if (found === undefined) return;
  throw new TenantSecretsError(
    "CONFLICT",
    `The keys of ${found.subdomain} are wrapped by a key of its own: its values and keys are not ${what} while that is so.`,
  );
}
