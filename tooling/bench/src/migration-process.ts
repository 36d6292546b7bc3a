import { once } from "node:events";
import { connectDatabase } from "@repo/db";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createInfisicalClient } from "@repo/infisical";
import { assembleTenantSecrets } from "@repo/tenant-secrets/internals";
import { z } from "zod";
import { Place } from "./deployment.ts";

// A process of its own that moves companies, and tells its parent how long that took and how large it became.

const operator = { actor: { kind: "operator", id: "bench" } } as const;

export const Orders = z.object({
  place: Place,
  verb: z.enum(["copy", "switch"]),
  subdomains: z.array(z.string()),
});

const [message]: unknown[] = await once(process, "message");
const { place, verb, subdomains } = Orders.parse(message);
const { application: applicationUrl, maintenance: maintenanceUrl } = place.urls;
const database = connectDatabase({ applicationUrl, maintenanceUrl });
const infisical = createInfisicalClient({ ...place.infisical, environment: "dev" });
const secrets = assembleTenantSecrets({ database, infisical, catalog: deliveryChatCatalog });
await secrets.prepare();
const { migrations } = secrets;

const startedAt = Date.now();
const of = { companies: subdomains, ratePerMinute: null, takeNewest: false } as const;
const run = await migrations.beginHere(
  operator,
  verb === "copy" ? { verb, ...of } : { verb, ...of, to: "hybrid", leave: [] },
);
await migrations.run.drive(run, { caller: operator, tools: { sliceMs: Infinity } });
const endedAt = Date.now();
const heldMs: number[] = [];
for (let after: string | undefined; ;) {
  const page = await migrations.companies(operator, { run: run.id, after, limit: 500 });
  for (const { company, state, result } of page.companies) {
    if (state !== "done") throw new Error(`${company.subdomain} is ${state}`);
    if (result?.heldMs !== undefined) heldMs.push(result.heldMs);
  }
  if (page.companies.length < 500) break;
  after = page.companies.at(-1)?.company.id;
}
process.send?.({ startedAt, endedAt, heldMs, peakKb: process.resourceUsage().maxRSS });
await database.close();
process.disconnect();
