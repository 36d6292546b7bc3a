import type postgres from "postgres";
import { connectOnce, execute } from "../provision.ts";
import { databaseUrl } from "../url.ts";
import { exportPublication, namesOf, type Route } from "./names.ts";
import type { OwnDatabase } from "./publish.ts";

/** Owns the subscriptions. It has no password: no process connects as it but PostgreSQL's own workers. */
const subscriber = "tenant_secrets_subscriber";

/**
 * Makes this database take the copies that another region has for it. What arrives is written as the owner of the copies, and
 * checked by the fence. The first copy takes its time in the background. Can be repeated, with another URL as well.
 *
 * @param exportUrl of this region's role, which `setUpExport` returned there
 * @throws {Error} for a server before PostgreSQL 16
 */
export async function subscribeToCopies(
  { superuserUrl, database }: OwnDatabase,
  route: Route,
  exportUrl: string,
): Promise<void> {
  const { subscription, slot } = namesOf(route);
  const sql = connectOnce(databaseUrl(superuserUrl, database));
  try {
    await ensureSubscriber(sql);
    await execute(sql, "grant connect, create on database %I to %I", database, subscriber);
    if ((await sql`select from pg_subscription where subname = ${subscription}`).length > 0) {
      await execute(sql, "alter subscription %I connection %L", subscription, exportUrl);
    } else {
      await execute(sql, "set role %I", subscriber);
      await execute(
        sql,
        "create subscription %I connection %L publication %I with (slot_name = %I, synchronous_commit = on)",
        subscription,
        exportUrl,
        exportPublication,
        slot,
      );
      await sql`reset role`;
    }
    await execute(sql, "revoke create on database %I from %I", database, subscriber);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/**
 * Ends the subscription and deletes what it brought.
 *
 * @param isExportGone whether the export cannot be reached any more, or its slot is gone: then it is not asked to drop the slot
 * @returns how many copies were deleted
 */
export async function unsubscribeFromCopies(
  { superuserUrl, database }: OwnDatabase,
  route: Route,
  { isExportGone = false }: { readonly isExportGone?: boolean | undefined } = {},
): Promise<number> {
  const { subscription } = namesOf(route);
  const sql = connectOnce(databaseUrl(superuserUrl, database));
  try {
    if (isExportGone && (await sql`select from pg_subscription where subname = ${subscription}`).length > 0) {
      await execute(sql, "alter subscription %I disable", subscription);
      await execute(sql, "alter subscription %I set (slot_name = none)", subscription);
    }
    await execute(sql, "drop subscription if exists %I", subscription);
    return await deleteCopies(sql, route);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/**
 * Takes all copies once more: after a slot was lost, or rows here were changed. What is here is deleted first. Copies are not read
 * here until the first copy is over.
 */
export async function resyncCopies(
  own: OwnDatabase,
  route: Route,
  { exportUrl, isExportGone }: { readonly exportUrl: string; readonly isExportGone?: boolean | undefined },
): Promise<void> {
  await unsubscribeFromCopies(own, route, { isExportGone });
  await subscribeToCopies(own, route, exportUrl);
}

async function deleteCopies(sql: postgres.Sql, { home, target }: Route): Promise<number> {
  await sql`delete from public.region_beats where home_region = ${home} and target_region = ${target}`;
  const { count } =
    await sql`delete from public.region_copies where home_region = ${home} and target_region = ${target}`;
  return count;
}

async function ensureSubscriber(sql: postgres.Sql): Promise<void> {
  const attributes = "login password null nosuperuser nobypassrls nocreaterole nocreatedb noreplication";
  const found = await sql`select from pg_roles where rolname = ${subscriber}`;
  await execute(sql, `${found.length === 0 ? "create" : "alter"} role %I ${attributes}`, subscriber);
  for (const role of ["tenant_secrets_copies", "pg_create_subscription"])
    await execute(sql, "grant %I to %I", role, subscriber);
}
