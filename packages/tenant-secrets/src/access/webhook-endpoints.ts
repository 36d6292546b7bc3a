import { inArray, sql, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";

const { webhookAttempts, webhookDeliveries, webhookEndpoints } = tables;

/** The number is arbitrary, and used for no other lock of this database. */
const deliveryLock = 7_274_021;

/**
 * The first statement of a transaction that changes webhook endpoints or deliveries, but for adding new deliveries. With this
 * advisory lock it can lock their rows in any order. It is held for milliseconds.
 */
export async function lockDeliveries(statements: Statements): Promise<void> {
  await statements.execute(sql`select pg_advisory_xact_lock(${deliveryLock})`);
}

/** Removes endpoints with their deliveries and the log of those: nothing that waits is sent. After {@link lockDeliveries}. */
export async function removeEndpoints(statements: Statements, which: SQL): Promise<void> {
  const endpoints = statements.select({ id: webhookEndpoints.id }).from(webhookEndpoints).where(which);
  const ofEndpoints = inArray(webhookDeliveries.endpointId, endpoints);
  const deliveries = statements
    .select({ id: webhookDeliveries.id })
    .from(webhookDeliveries)
    .where(ofEndpoints);
  // First the endpoints are locked, so that no change adds a delivery in between.
  await endpoints.for("update");
  await statements.delete(webhookAttempts).where(inArray(webhookAttempts.deliveryId, deliveries));
  await statements.delete(webhookDeliveries).where(ofEndpoints);
  await statements.delete(webhookEndpoints).where(which);
}
