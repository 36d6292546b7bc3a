import type postgres from "postgres";

/**
 * What a database has in the schema `public`, as SQL to read: tables with their columns, constraints and indexes, then
 * row-level security, grants and triggers, each by name, and the functions without their bodies, which stand in `sql/`. Not
 * meant to be run.
 *
 * @param sql of a role that sees all of it
 */
export async function describeSchema(sql: postgres.Sql): Promise<string> {
  const tables = await sql<{ name: string; text: string }[]>`
    select c.relname as name, string_agg(line, E',\n' order by kind, line_no, line) as text
    from pg_class c cross join lateral (
      select 1 as kind, attnum::int as line_no, format('  %I %s%s%s', attname, format_type(atttypid, atttypmod),
        case when attnotnull then ' not null' else '' end,
        coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')) as line
      from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      union all
      select 2, 0, format('  constraint %I %s', conname, pg_get_constraintdef(oid))
      from pg_constraint where conrelid = c.oid and contype <> 'n'
    ) lines
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') group by c.relname order by 1`;
  const details = await sql<{ name: string; text: string }[]>`
    select tablename as name, indexdef || ';' as text from pg_indexes i
    where schemaname = 'public' and not exists (select from pg_constraint where conname = i.indexname)
    union all
    select relname, 'alter table ' || relname || ' enable row level security;' from pg_class
    where relnamespace = 'public'::regnamespace and relrowsecurity
    union all
    select relname, 'alter table ' || relname || ' force row level security;' from pg_class
    where relnamespace = 'public'::regnamespace and relforcerowsecurity
    union all
    select tablename, format('create policy %I on %I for %s to %s%s%s;', policyname, tablename, lower(cmd),
      array_to_string(roles, ', '), coalesce(' using ' || qual, ''), coalesce(' with check ' || with_check, ''))
    from pg_policies where schemaname = 'public'
    union all
    select table_name, format('grant %s on %I to %I;', string_agg(lower(privilege_type), ', ' order by privilege_type),
      table_name, grantee)
    from information_schema.role_table_grants
    where table_schema = 'public' and grantee in ('tenant_secrets_application', 'tenant_secrets_maintenance', 'tenant_secrets_listener', 'tenant_secrets_sign_in')
    group by table_name, grantee
    union all
    select table_name, format('grant update (%s) on %I to %I;', string_agg(column_name, ', ' order by column_name),
      table_name, grantee)
    from information_schema.column_privileges p
    where table_schema = 'public' and privilege_type = 'UPDATE' and grantee = 'tenant_secrets_application'
      and not exists (select from information_schema.role_table_grants g where g.table_schema = 'public'
        and g.table_name = p.table_name and g.grantee = p.grantee and g.privilege_type = 'UPDATE')
    group by table_name, grantee
    union all
    select tgrelid::regclass::text, pg_get_triggerdef(t.oid) || ';' from pg_trigger t
    join pg_class c on c.oid = tgrelid and c.relnamespace = 'public'::regnamespace where not tgisinternal
    order by 1, 2`;
  const functions = await sql<{ text: string }[]>`
    select format('function %s returns %s%s; owned by %s, for %s', p.oid::regprocedure, pg_get_function_result(p.oid),
      case when p.prosecdef then ' security definer' else '' end, p.proowner::regrole,
      coalesce((select string_agg(grantee::regrole::text, ', ' order by grantee::regrole::text)
        from aclexplode(p.proacl) where grantee <> p.proowner and grantee <> 0), 'none other')) as text
    from pg_proc p where pronamespace = 'public'::regnamespace order by proname, p.oid::regprocedure::text`;
  const parts = tables.map(({ name, text }) =>
    [
      `create table ${name} (\n${text}\n);`,
      ...details.filter((detail) => detail.name === name).map((detail) => detail.text),
    ].join("\n"),
  );
  return `${[...parts, functions.map(({ text }) => `-- ${text}`).join("\n")].join("\n\n")}\n`;
}
