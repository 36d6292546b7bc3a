import type postgres from "postgres";
import { connectOnce, ensureReplicationRole, execute } from "../provision.ts";
import { databaseUrl } from "../url.ts";
import { namesOf, type Route } from "./names.ts";

/** A database of the product, as who sets up its server reaches it. */
export interface OwnDatabase {
  /** Of a superuser. The database in it is not used. */
  readonly superuserUrl: string;
  readonly database: string;
}

/**
 * Publishes, at the home, the copies for another region. The role that it makes has REPLICATION, and so could copy the whole
 * cluster: its password stays in this region, outside the data of every export (`setUpExport`). Can be repeated: the role then
 * gets another password.
 *
 * @returns the URL of that role
 * @throws {Error} where the server's `wal_level` is not logical, or the publication is there and has another filter: what a
 *   changed filter leaves out would stay at the target for ever
 */
export async function publishCopies({ superuserUrl, database }: OwnDatabase, route: Route): Promise<string> {
  const { publication, exporter } = namesOf(route);
  const sql = connectOnce(databaseUrl(superuserUrl, database));
  try {
    await requireLogicalWal(sql);
    const password = await ensureReplicationRole(sql, exporter);
    await execute(sql, "grant tenant_secrets_exporter to %I", exporter);
    await execute(sql, "grant connect on database %I to %I", database, exporter);
    if ((await sql`select from pg_publication where pubname = ${publication}`).length === 0) {
      const { target } = route;
      await execute(
        sql,
        "create publication %I for table public.region_copies where (target_region = %L), public.region_beats where (target_region = %L)",
        publication,
        target,
        target,
      );
    } else if (!(await isPublished(sql, route))) {
      throw new Error(
        `The publication ${publication} was changed by hand: remove this region, and add it again.`,
      );
    }
    return databaseUrl(superuserUrl, database, { user: exporter, password });
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Ends what `publishCopies` made, and the slot that keeps the home's WAL. The export is dropped first. */
export async function unpublishCopies({ superuserUrl, database }: OwnDatabase, route: Route): Promise<void> {
  const { publication, exporter, exportSubscription } = namesOf(route);
  const sql = connectOnce(databaseUrl(superuserUrl, database));
  try {
    await execute(sql, "drop publication if exists %I", publication);
    await sql`select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = ${exportSubscription}`;
    if ((await sql`select from pg_roles where rolname = ${exporter}`).length > 0) {
      await execute(sql, "drop owned by %I", exporter);
      await execute(sql, "drop role %I", exporter);
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Whether exactly the copies for the target are published. */
export async function isPublished(sql: postgres.Sql, route: Route): Promise<boolean> {
  const { publication } = namesOf(route);
  const filter = `(target_region = '${route.target}'::text)`;
  const [found] = await sql<{ isIntact: boolean | null }[]>`
    select bool_and(p.pubinsert and p.pubupdate and p.pubdelete and not p.puballtables)
      and array_agg(t.schemaname || '.' || t.tablename || ' ' || coalesce(t.rowfilter, '') order by t.tablename)
        = ${[`public.region_beats ${filter}`, `public.region_copies ${filter}`]}::text[] as "isIntact"
    from pg_publication p join pg_publication_tables t on t.pubname = p.pubname where p.pubname = ${publication}`;
  return found?.isIntact === true;
}

/** @throws {Error} */
export async function requireLogicalWal(sql: postgres.Sql): Promise<void> {
  const [found] = await sql<{ level: string }[]>`select current_setting('wal_level') as level`;
  if (found?.level !== "logical")
    throw new Error("Copies are replicated by a server whose wal_level is logical, which takes a restart.");
}
