import type postgres from "postgres";

interface RoleFindings {
  readonly name: string;
  readonly superuser: boolean;
  readonly bypasses: boolean;
  readonly owner: boolean;
  readonly crosses: boolean;
}

/**
 * Row-level security binds neither superusers nor roles with BYPASSRLS, and owners can end it. The attributes of
 * every role that it is a member of, directly or not, apply too: it can switch to that role.
 *
 * @throws {Error} when the role that `sql` connects as, or one it is a member of, is a superuser, has BYPASSRLS, owns a
 * table in schema public, or is one that a policy lets see every company
 */
export async function assertApplicationRole(sql: postgres.Sql): Promise<void> {
  // session_user too: a connection that did `set role` can always go back.
  const [found] = await sql<RoleFindings[]>`
    with recursive reachable(oid) as (
      select oid from pg_roles where rolname in (current_user, session_user)
      union select m.roleid from pg_auth_members m join reachable r on r.oid = m.member
    )
    select current_user::text as name,
      bool_or(rolsuper) as superuser,
      bool_or(rolbypassrls) as bypasses,
      bool_or(exists (select from pg_class c where c.relowner = pg_roles.oid
        and c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p'))) as owner,
      bool_or(exists (select from pg_policy p where pg_roles.oid = any(p.polroles)
        and pg_get_expr(p.polqual, p.polrelid) = 'true')) as crosses
    from reachable join pg_roles using (oid)`;
  if (found === undefined) throw new Error("The database does not say which role this connection has.");
  const reasons = [
    found.superuser && "is a superuser",
    found.bypasses && "has BYPASSRLS",
    found.owner && "owns tables in schema public",
    found.crosses && "may see every company",
  ].filter((reason) => reason !== false);
  if (reasons.length === 0) return;
  throw new Error(
    `The database role ${found.name} ${reasons.join(" and ")}, itself or through a membership, so that row-level ` +
      "security would not keep companies apart. Connect as tenant_secrets_application.",
  );
}
