import type postgres from "postgres";
import { connectOnce, ensureReplicationRole, execute } from "../provision.ts";
import { databaseUrl } from "../url.ts";
import { exportPublication, namesOf, type Route } from "./names.ts";
import { requireLogicalWal } from "./publish.ts";

/** A server that has the copies for one region and nothing else. */
export interface ExportServer {
  /** Of a superuser of the export's server, which is not that of the product. The database in it is not used. */
  readonly superuserUrl: string;
  /** What `publishCopies` returned: the home, and the role that reads it. */
  readonly exporterUrl: string;
  /**
   * A password file of libpq, with the password of that role, which the export's server can read. Outside its data: the other
   * region can copy those.
   */
  readonly passwordFile: string;
}

/**
 * Makes the database that another region takes its copies from. A role that may stream changes may stream the whole server, and
 * no rule of pg_hba.conf keeps it from that: BASE_BACKUP and START_REPLICATION PHYSICAL run on a connection for logical
 * replication as well. So the role of another region has an account on a server of its own, where nothing else is.
 *
 * @returns the URL of the other region's role, to be handed to that region
 * @throws {Error} where the server's `wal_level` is not logical, or the product's roles are on it
 */
export async function setUpExport(server: ExportServer, route: Route): Promise<string> {
  const { superuserUrl } = server;
  const { database, foreigner } = namesOf(route);
  const sql = connectOnce(superuserUrl);
  try {
    await requireLogicalWal(sql);
    await requireOwnServer(sql, database);
    const password = await ensureReplicationRole(sql, foreigner);
    if ((await sql`select from pg_database where datname = ${database}`).length === 0)
      await execute(sql, "create database %I encoding 'UTF8' template template0", database);
    for (const each of [database, "postgres", "template1"])
      await execute(sql, "revoke all on database %I from public", each);
    await execute(sql, "grant connect on database %I to %I", database, foreigner);
    const inside = connectOnce(databaseUrl(superuserUrl, database));
    try {
      await makeTables(inside, route);
      await subscribeToHome(inside, server, route);
    } finally {
      await inside.end({ timeout: 5 });
    }
    return databaseUrl(superuserUrl, database, { user: foreigner, password });
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Ends the export, with the slot at the home. What the other region has is its own to delete. */
export async function dropExport(superuserUrl: string, route: Route): Promise<void> {
  const { database, foreigner } = namesOf(route);
  const sql = connectOnce(superuserUrl);
  try {
    if ((await sql`select from pg_database where datname = ${database}`).length > 0) {
      const inside = connectOnce(databaseUrl(superuserUrl, database));
      try {
        await dropHomeSubscription(inside, route);
      } finally {
        await inside.end({ timeout: 5 });
      }
      await sql`select pg_terminate_backend(active_pid) from pg_replication_slots where database = ${database} and active`;
      await execute(sql, "alter database %I with allow_connections false", database);
      await sql`select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = ${database}`;
      await sql`select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = ${database}`;
      await execute(sql, "drop database %I with (force)", database);
    }
    await execute(sql, "drop role if exists %I", foreigner);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/**
 * Takes all copies from the home once more: after a slot was lost, or rows of the export were changed. Those that are there are
 * deleted first, in one transaction with nothing in their place until the first copy is over; the target gets the deletions, too.
 */
export async function resyncExport(server: ExportServer, route: Route): Promise<void> {
  const sql = connectOnce(databaseUrl(server.superuserUrl, namesOf(route).database));
  try {
    await dropHomeSubscription(sql, route);
    await sql`delete from region_copies`;
    await sql`delete from region_beats`;
    await subscribeToHome(sql, server, route);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function requireOwnServer(sql: postgres.Sql, database: string): Promise<void> {
  const others = await sql`
    select from pg_database where datname not in ('postgres', 'template0', 'template1', ${database})`;
  const roles = await sql`select from pg_roles where rolname = 'tenant_secrets_migration'`;
  if (others.length + roles.length > 0)
    throw new Error(
      "Another region can copy all of the server that it takes its copies from: an export needs one of its own.",
    );
}

/** The columns of the product's tables. The checks refuse what a changed filter at the home would let through. */
async function makeTables(sql: postgres.Sql, route: Route): Promise<void> {
  const { foreigner } = namesOf(route);
  await sql`create table if not exists region_copies (target_region text not null, company_id uuid not null, kind text not null,
    name text not null, home_region text not null, home_epoch integer not null, revision bigint not null, body text not null, signature bytea,
    primary key (target_region, company_id, kind, name))`;
  await sql`create table if not exists region_beats (target_region text not null, home_region text not null, beat_at timestamptz(3) not null,
    primary key (target_region, home_region))`;
  for (const table of ["region_copies", "region_beats"]) {
    await execute(sql, "alter table %I drop constraint if exists route", table);
    await execute(
      sql,
      "alter table %I add constraint route check (target_region = %L and home_region = %L)",
      table,
      route.target,
      route.home,
    );
    await execute(sql, "grant select on %I to %I", table, foreigner);
  }
  await execute(sql, "grant usage on schema public to %I", foreigner);
  if ((await sql`select from pg_publication where pubname = ${exportPublication}`).length === 0)
    await execute(sql, "create publication %I for table region_copies, region_beats", exportPublication);
}

async function subscribeToHome(
  sql: postgres.Sql,
  { exporterUrl, passwordFile }: ExportServer,
  route: Route,
): Promise<void> {
  const { exportSubscription, publication } = namesOf(route);
  const connection = new URL(exporterUrl);
  connection.password = "";
  connection.searchParams.set("passfile", passwordFile);
  if ((await sql`select from pg_subscription where subname = ${exportSubscription}`).length > 0) {
    await execute(sql, "alter subscription %I connection %L", exportSubscription, connection.href);
    return;
  }
  // Else what is applied reaches the next hop when the WAL writer comes round: 200 ms later.
  await execute(
    sql,
    "create subscription %I connection %L publication %I with (synchronous_commit = on)",
    exportSubscription,
    connection.href,
    publication,
  );
}

async function dropHomeSubscription(sql: postgres.Sql, route: Route): Promise<void> {
  await execute(sql, "drop subscription if exists %I", namesOf(route).exportSubscription);
}
