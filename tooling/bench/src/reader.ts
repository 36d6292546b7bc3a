import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import { createTenantSecrets, deliveryChatCatalog, job } from "@repo/tenant-secrets";
import { z } from "zod";

// A process of its own that reads at a steady pace, and tells its parent how long each read took.

const Orders = z.object({
  urls: z.object({ application: z.string(), maintenance: z.string(), listener: z.string() }),
  infisical: z.object({
    siteUrl: z.string(),
    clientId: z.string(),
    clientSecret: z.string(),
    projectId: z.string(),
  }),
  companies: z.int(),
});

const [message]: unknown[] = await once(process, "message");
const { urls, infisical, companies } = Orders.parse(message);
const database = connectDatabase({ applicationUrl: urls.application, maintenanceUrl: urls.maintenance });
const secrets = createTenantSecrets({
  database,
  infisical: createInfisicalClient({ ...infisical, environment: "dev" }),
  catalog: deliveryChatCatalog,
});
const member = await secrets.serve(urls.listener, (error) => console.error(error.message));
const reader = job("bench-reader", { verbs: ["use"], secretKeys: ["*"] });

const ended = new AbortController();
process.once("message", () => ended.abort());
const samples: { at: number; ms: number }[] = [];
// Companies come back, so that their keys are at hand, as in use.
const known = Math.min(companies, 500);
const read = (i: number) => secrets.company(`company-${1 + (i % known)}`, reader).get("CUSTOM_KEY");
for (let i = 0; i < known; i++) await read(i);
process.send?.("reading");
for (let i = 0; !ended.signal.aborted; i++) {
  const started = performance.now();
  await read(i * 7);
  samples.push({ at: Date.now(), ms: performance.now() - started });
  await sleep(5);
}
process.send?.(samples);
await member.stop();
await database.close();
process.disconnect();
