import { connectDatabase } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import { z } from "zod";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { systemCaller } from "@repo/catalog";
import { assembleTenantSecrets } from "../assemble.ts";

// For audit/writer-kill.db.test.ts: a process that reads until it is killed, and prints the number of its reads. It reads its
// orders¦from standard input.

const Orders = z.object({
  applicationUrl: z.string(),
  maintenanceUrl: z.string(),
  infisical: z.object({
    siteUrl: z.string(),
    clientId: z.string(),
    clientSecret: z.string(),
    projectId: z.string(),
  }),
  subdomain: z.string(),
});

const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
const { applicationUrl, maintenanceUrl, infisical, subdomain } = Orders.parse(
  JSON.parse(Buffer.concat(chunks).toString()),
);

const secrets = assembleTenantSecrets({
  database: connectDatabase({ applicationUrl, maintenanceUrl }),
  infisical: createInfisicalClient({ ...infisical, environment: "dev" }),
  catalog: deliveryChatCatalog,
});
const company = secrets.company(subdomain, systemCaller("reader", { verbs: ["use"], secretKeys: ["*"] }));
for (let reads = 0; ; reads++) {
  if (reads % 10 === 0) console.log(reads);
  await company.get("CUSTOM_KEY");
}
