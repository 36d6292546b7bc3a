import postgres from "postgres";
import { scrubDatabaseError } from "./errors.ts";

/** A row of `company_secrets` as the strategy's sample code made it. */
interface LegacyRow {
  /** The company's subdomain, or its id where the row has lost its company. */
  readonly company: string;
  readonly secretKey: string;
  /** No more than its first {@link longestText} characters. */
  readonly sealed: string;
}

/** More than the text of the longest value that anything here takes, and an end to what a batch may weigh. */
const longestText = 200_000;

/**
 * Reads `company_secrets(company_id, secret_key, secret_value_encrypted)` with the subdomains of `companies(id,
 * subdomain)` from another PostgreSQL. Each batch is a read-only transaction of its own, and goes on after the last row
 * of the one before: no transaction is open while the caller works.
 *
 * @param batchSize rows at a time
 * @throws {DatabaseError} for what that database or the driver does
 */
export async function* readLegacyRows(
  url: string,
  batchSize: number,
): AsyncGenerator<readonly LegacyRow[], void> {
  const sql = postgres(url, {
    max: 1,
    connect_timeout: 10,
    debug: false,
    onnotice: () => {},
    connection: { application_name: "tenant-secrets import" },
  });
  try {
    let after: { readonly companyId: string; readonly secretKey: string } | undefined;
    do {
      const rows = await readBatch(sql, batchSize, after);
      if (rows.length > 0) {
        yield rows.map(({ companyId, subdomain, secretKey, sealed }) => ({
          company: subdomain ?? companyId,
          secretKey,
          sealed,
        }));
      }
      after = rows.length < batchSize ? undefined : rows.at(-1);
    } while (after !== undefined);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

interface SourceRow {
  readonly companyId: string;
  readonly subdomain: string | null;
  readonly secretKey: string;
  readonly sealed: string;
}

async function readBatch(
  sql: postgres.Sql,
  batchSize: number,
  after: Pick<SourceRow, "companyId" | "secretKey"> | undefined,
): Promise<readonly SourceRow[]> {
  try {
    return await sql.begin(
      "read only",
      (inside) => inside<SourceRow[]>`
        select s.company_id::text as "companyId", c.subdomain, s.secret_key as "secretKey",
          coalesce(left(s.secret_value_encrypted, ${longestText}), '') as sealed
        from company_secrets s left join companies c on c.id = s.company_id
        ${after === undefined ? inside`` : inside`where (s.company_id, s.secret_key) > (${after.companyId}, ${after.secretKey})`}
        order by s.company_id, s.secret_key
        limit ${batchSize}`,
    );
  } catch (thrown) {
    throw scrubDatabaseError(thrown);
  }
}
