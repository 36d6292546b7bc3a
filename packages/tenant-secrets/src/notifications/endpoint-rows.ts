import { and, eq, isNull, sql, type SQL } from "drizzle-orm";
import type { PgUpdateSetSource } from "drizzle-orm/pg-core";
import { tables, type Statements } from "@repo/db";
import { type EndpointDescription, isNotificationType, notFound } from "@repo/catalog";
import { lockDeliveries } from "../access/webhook-endpoints.ts";
import type { Company } from "../companies/companies.ts";
import { type EndpointSigning, publicKeyText, type SigningEndpoint } from "./signing.ts";

const { webhookEndpoints } = tables;

export type EndpointRow = typeof webhookEndpoints.$inferSelect;

/** The endpoints of a company, or of the platform. */
export function endpointsOf(company: Pick<Company, "id"> | undefined): SQL {
  const { companyId } = webhookEndpoints;
  return company === undefined ? isNull(companyId) : eq(companyId, company.id);
}

/** An endpoint of the company or the platform, locked. @throws {TenantSecretsError} NOT_FOUND, also for another company's */
export async function lockEndpoint(
  statements: Statements,
  company: Pick<Company, "id"> | undefined,
  id: string,
): Promise<EndpointRow> {
  await lockDeliveries(statements);
  const [row] = await statements
    .select()
    .from(webhookEndpoints)
    .where(and(endpointsOf(company), eq(webhookEndpoints.id, id)))
    .for("update");
  if (row === undefined) throw notFound();
  return row;
}

export async function changeEndpoint(
  statements: Statements,
  id: string,
  changes: Omit<PgUpdateSetSource<typeof webhookEndpoints>, "id" | "companyId">,
): Promise<EndpointRow> {
  const [row] = await statements
    .update(webhookEndpoints)
    .set({ ...changes, updatedAt: sql`now()` })
    .where(eq(webhookEndpoints.id, id))
    .returning();
  if (row === undefined) throw new Error("an endpoint that is locked is there");
  return row;
}

/** An endpoint with what it has to deliver, by the database's clock. */
export interface SeenEndpoint {
  readonly row: EndpointRow;
  readonly waiting: number;
  readonly dead: number;
  readonly isOverlapping: boolean;
}

export function selectEndpoints(
  statements: Statements,
  where: SQL | undefined,
): Promise<readonly SeenEndpoint[]> {
  const countOf = (state: string): SQL<number> =>
    sql<number>`(select count(*)::integer from webhook_deliveries d where d.endpoint_id = webhook_endpoints.id and d.state = ${state})`;
  return statements
    .select({
      row: webhookEndpoints,
      waiting: countOf("waiting"),
      dead: countOf("dead"),
      isOverlapping: sql<boolean>`coalesce(${webhookEndpoints.previousUntil} > now(), false)`,
    })
    .from(webhookEndpoints)
    .where(where)
    .orderBy(webhookEndpoints.createdAt, webhookEndpoints.id);
}

/** The secrets that sign now: a previous one whose overlap has ended does not. */
export function signingOf({
  row,
  isOverlapping,
}: Pick<SeenEndpoint, "row" | "isOverlapping">): SigningEndpoint {
  const { id, secretNumber, secretKeyVersion, previousKeyVersion } = row;
  return {
    id,
    secretNumber,
    secretKeyVersion,
    previousKeyVersion: isOverlapping ? previousKeyVersion : null,
  };
}

export async function describeEndpoint(
  signing: EndpointSigning,
  seen: SeenEndpoint,
  company: Pick<Company, "subdomain"> | undefined,
): Promise<EndpointDescription> {
  const { row, waiting, dead, isOverlapping } = seen;
  const [keys] = await signing.keysOf(signingOf(seen));
  return {
    id: row.id,
    ...(company && { company: company.subdomain }),
    url: row.url,
    // A type of a later release is not one of ours.
    ...(row.types && { types: row.types.filter(isNotificationType) }),
    description: row.description,
    state: row.state,
    ...(row.disabledReason && { disabledReason: row.disabledReason }),
    perSecond: row.perSecond,
    publicKey: publicKeyText(keys),
    ...(isOverlapping && row.previousUntil && { previousSecretUntil: row.previousUntil }),
    ...(row.failingSince && { failingSince: row.failingSince }),
    waiting,
    dead,
    createdAt: row.createdAt,
  };
}
