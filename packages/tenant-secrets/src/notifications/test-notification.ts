import { tables, type Statements } from "@repo/db";
import { uuidv7 } from "@repo/audit-log";
import type { Actor, Notification } from "@repo/catalog";
import type { Company } from "../companies/companies.ts";
import type { EndpointRow } from "./endpoint-rows.ts";

const { notifications, webhookDeliveries } = tables;

interface Test {
  readonly row: Pick<EndpointRow, "id">;
  readonly company: Pick<Company, "id" | "subdomain"> | undefined;
  readonly actor: Pick<Actor, "kind" | "id">;
}

/** Adds a `webhook.test` for one endpoint. @returns the id of its delivery */
export async function insertTest(statements: Statements, { row, company, actor }: Test): Promise<string> {
  const now = new Date();
  const id = uuidv7(now.getTime());
  const companyId = company?.id ?? null;
  const type = "webhook.test";
  const test: Notification = {
    type,
    version: 1,
    timestamp: now.toISOString(),
    data: {
      ...(company && { company: { id: company.id, subdomain: company.subdomain } }),
      endpoint: row.id,
      actor: { kind: actor.kind, id: actor.id.slice(0, 200) },
      event: id,
    },
  };
  await statements.insert(notifications).values({ id, companyId, type, body: JSON.stringify(test) });
  const [delivery] = await statements
    .insert(webhookDeliveries)
    .values({ endpointId: row.id, notificationId: id, companyId, type })
    .returning({ id: webhookDeliveries.id });
  if (delivery === undefined) throw new Error("an insert returned no row");
  return delivery.id;
}
