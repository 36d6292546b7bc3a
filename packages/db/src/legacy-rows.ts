import type postgres from "postgres";
import { openDriver } from "./driver.ts";
import { DatabaseError, scrubDatabaseError } from "./errors.ts";

/** A row of `company_secrets` as the strategy's sample code made it. */
interface LegacyRow {
  /** The company's subdomain, or what the row holds as its company where no such company is found. */
  readonly company: string;
  /** What the row itself holds as its company: the company's id, in tables as the sample made them. */
  readonly companyId: string;
  readonly secretKey: string;
  /** No more than its first {@link longestText} characters; undefined in a row with a NULL in it. */
  readonly encrypted: string | undefined;
}

export interface LegacySource {
  readonly url: string;
  /** How many rows are read at a time. */
  readonly batchSize: number;
  /** The table of rows, with its schema where that is not on the search path. Default: `company_secrets`. */
  readonly table?: string | undefined;
  /** The table of companies, in the same way. Default: `companies`, where there is one. */
  readonly companiesTable?: string | undefined;
}

/** More than the text of the longest value that anything here takes, and an end to what a batch may weigh. */
const longestText = 200_000;

const rowColumns = ["company_id", "secret_key", "secret_value_encrypted"];
const companyColumns = ["id", "subdomain"];

/**
 * Reads `company_secrets(company_id, secret_key, secret_value_encrypted)` with the subdomains of `companies(id, subdomain)`
 * from another PostgreSQL, as both are when the reading begins. The columns may have any type that has a text, and neither
 * keys nor constraints are needed. A cursor WITH HOLD keeps the rows: no transaction is open while the caller works, and
 * the connection has to go to the server itself or to a session pooler.
 *
 * @throws {DatabaseError} for what that database or the driver does
 * @throws {RangeError} for a table that is not there, or has not these columns, with its name
 */
export async function* readLegacyRows(source: LegacySource): AsyncGenerator<readonly LegacyRow[], void> {
  const sql = openDriver(source.url, {
    max: 1,
    applicationName: "tenant-secrets import",
    // The cursor ends with its connection.
    renews: false,
  });
  try {
    await scrubbed(() => openCursor(sql, source));
    let number = 0;
    for (;;) {
      const rows = await scrubbed(
        () => sql<SourceRow[]>`fetch ${sql.unsafe(String(source.batchSize))} from legacy_rows`,
      );
      if (rows.length > 0) yield rows.map((row) => legacyRow(row, ++number));
      if (rows.length < source.batchSize) return;
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}

interface SourceRow {
  readonly companyId: string | null;
  readonly subdomain: string | null;
  readonly secretKey: string | null;
  readonly encrypted: string | null;
}

function legacyRow({ companyId, subdomain, secretKey, encrypted }: SourceRow, number: number): LegacyRow {
  if (companyId === null || secretKey === null || encrypted === null) {
    const company = subdomain ?? companyId ?? `row ${number}`;
    return { company, companyId: companyId ?? "", secretKey: secretKey ?? "", encrypted: undefined };
  }
  return { company: subdomain ?? companyId, companyId, secretKey, encrypted };
}

async function openCursor(sql: postgres.Sql, { table, companiesTable }: LegacySource): Promise<void> {
  const rows = await tableOf(sql, table ?? "company_secrets", rowColumns);
  if (rows === undefined) throw new RangeError(`There is no table ${table ?? "company_secrets"}.`);
  const companies = await tableOf(sql, companiesTable ?? "companies", companyColumns);
  if (companies === undefined && companiesTable !== undefined) {
    throw new RangeError(`There is no table ${companiesTable}.`);
  }
  // A company_id can be a uuid, or a text with ids or subdomains in it: compared as text, each is a row of its own.
  const join = companies === undefined ? "" : `left join ${companies} c on c.id::text = s.company_id::text`;
  await sql.begin("read only", (inside) =>
    inside.unsafe(`
      declare legacy_rows no scroll cursor with hold for
      select s.company_id::text as "companyId", ${companies === undefined ? "null" : "c.subdomain::text"} as subdomain,
        s.secret_key::text as "secretKey", left(s.secret_value_encrypted::text, ${longestText}) as encrypted
      from ${rows} s ${join} order by 1, 3`),
  );
}

/** @returns the table's name, quoted by the server; undefined where there is none @throws {RangeError} */
async function tableOf(
  sql: postgres.Sql,
  name: string,
  columns: readonly string[],
): Promise<string | undefined> {
  const [found] = await sql<{ name: string; columns: string[] }[]>`
    select format('%I.%I', n.nspname, c.relname) as name,
      array(select attname::text from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped) as columns
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = to_regclass(${name}) and c.relkind in ('r', 'p', 'v', 'm', 'f')`;
  if (found === undefined) return undefined;
  const missing = columns.filter((column) => !found.columns.includes(column));
  if (missing.length === 0) return found.name;
  throw new RangeError(`The table ${name} has no column ${missing.join(", ")}.`);
}

async function scrubbed<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof RangeError) throw thrown;
    const error = scrubDatabaseError(thrown);
    // A name that cannot be one of a table, such as "a.b.c.d".
    if (error instanceof DatabaseError && /^(?:42602|42601|0A000)$/.test(error.code)) {
      throw new RangeError("The name of a table is name or schema.name.", { cause: error });
    }
    throw error;
  }
}
