import type postgres from "postgres";
import { execute } from "../provision.ts";

/** How many partitions each converted table gets. */
export const partitionCount = 4;

/** Tables with a company that stay whole, and why. Every other table with a column `company_id` is converted. */
export const wholeTables: Readonly<Record<string, string>> = {
  api_keys: "is looked up by the prefix of a key before the company is known, and a platform's key has none",
  audit_events: "is one log with one order, and holds events of no company",
  invitations: "is looked up by the hash of a token before the company is known",
  notifications: "holds those of the platform, which have no company",
  region_copies: "is filled by a subscription, whose publication filters by region",
  runs: "holds those of the platform, which have no company",
  webhook_attempts: "holds those of the platform, which have no company",
  webhook_deliveries: "holds those of the platform, which have no company",
  webhook_endpoints: "holds those of the platform, which have no company",
};

interface Definition {
  readonly name: string;
  readonly owner: string;
  readonly forced: boolean;
  /** Constraints but foreign keys, indexes, triggers, policies and grants, as statements. */
  readonly statements: readonly string[];
}

/**
 * Converts the tables of companies of a migrated database to `PARTITION BY HASH (company_id)`, with their rows, keys, foreign keys,
 * indexes, triggers, policies and grants.
 *
 * @param sql a superuser in that database, with one connection
 * @returns the names of the converted tables
 * @throws {postgres.PostgresError} for a table that cannot be converted, such as one with a key that lacks the company
 */
export async function partitionByCompany(sql: postgres.Sql): Promise<readonly string[]> {
  const tables = await sql<{ name: string; owner: string; forced: boolean }[]>`
    select c.relname as name, c.relowner::regrole::text as owner, c.relforcerowsecurity as forced
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'company_id'
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> all(${Object.keys(wholeTables)})
    order by 1`;
  const definitions: Definition[] = [];
  for (const table of tables) definitions.push({ ...table, statements: await statementsOf(sql, table.name) });
  const names = definitions.map(({ name }) => name);
  const foreignKeys = await sql<{ owner: string; name: string; definition: string }[]>`
    select conrelid::regclass::text as owner, conname as name, pg_get_constraintdef(oid) as definition from pg_constraint
    where contype = 'f' and conparentid = 0
      and (conrelid = any(${names}::regclass[]) or confrelid = any(${names}::regclass[]))`;

  await sql.begin(async (inside) => {
    for (const key of foreignKeys)
      await execute(inside, "alter table public.%I drop constraint %I", key.owner, key.name);
    await inside`create schema whole`;
    for (const definition of definitions) await convert(inside, definition);
    for (const key of foreignKeys) {
      await execute(inside, `alter table public.%I add constraint %I ${key.definition}`, key.owner, key.name);
    }
    await inside`drop schema whole cascade`;
  });
  return names;
}

async function statementsOf(sql: postgres.Sql, table: string): Promise<string[]> {
  const rows = await sql<{ text: string }[]>`
    with t as (select oid, relacl, relowner from pg_class where oid = ${table}::regclass)
    select text from (
      select 1 as turn, format('alter table public.%I add constraint %I %s', ${table}::text, conname, pg_get_constraintdef(c.oid)) as text
      from pg_constraint c, t where conrelid = t.oid and contype in ('p', 'u')
      union all
      select 2, pg_get_indexdef(i.indexrelid) from pg_index i, t
      where i.indrelid = t.oid and not exists (select from pg_constraint where conindid = i.indexrelid and contype in ('p', 'u'))
      union all
      select 3, pg_get_triggerdef(g.oid) from pg_trigger g, t where tgrelid = t.oid and not tgisinternal
      union all
      select 4, format('create policy %I on public.%I as %s for %s to %s%s%s', policyname, tablename, permissive, cmd,
        array_to_string(roles, ', '), ' using (' || qual || ')', ' with check (' || with_check || ')')
      from pg_policies where schemaname = 'public' and tablename = ${table}
      union all
      select 5, format('grant %s on public.%I to %s', privilege_type, ${table}::text, grantee::regrole)
      from t, aclexplode(coalesce(relacl, acldefault('r', relowner)))
      union all
      select 6, format('grant %s (%I) on public.%I to %s', privilege_type, attname, ${table}::text, grantee::regrole)
      from t join pg_attribute on attrelid = t.oid, aclexplode(attacl)
    ) statements order by turn`;
  return rows.map(({ text }) => text);
}

async function convert(
  sql: postgres.TransactionSql,
  { name, owner, forced, statements }: Definition,
): Promise<void> {
  await execute(sql, "alter table public.%I set schema whole", name);
  await execute(
    sql,
    "create table public.%I (like whole.%I including all excluding indexes) partition by hash (company_id)",
    name,
    name,
  );
  for (let remainder = 0; remainder < partitionCount; remainder += 1) {
    const partition = `${name}_of_company_${remainder}`;
    await execute(
      sql,
      `create table public.%I partition of public.%I for values with (modulus ${partitionCount}, remainder ${remainder})`,
      partition,
      name,
    );
    await execute(sql, `alter table public.%I owner to ${owner}`, partition);
  }
  await execute(sql, `alter table public.%I owner to ${owner}`, name);
  await execute(sql, "insert into public.%I select * from whole.%I", name, name);
  for (const statement of statements) await sql.unsafe(statement);
  await execute(sql, "alter table public.%I enable row level security", name);
  if (forced) await execute(sql, "alter table public.%I force row level security", name);
}
