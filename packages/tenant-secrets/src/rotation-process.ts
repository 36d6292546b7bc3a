import { connectDatabase } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import { z } from "zod";
import { deliveryChatCatalog } from "./catalog/delivery-chat.ts";
import { createTenantSecrets } from "./tenant-secrets.ts";

// For rotation-kill.db.test.ts: a process that rotates, and kills itself at one step. It reads its orders from standard
// input, and prints each step.

const Orders = z.object({
  applicationUrl: z.string(),
  maintenanceUrl: z.string(),
  infisical: z.object({
    siteUrl: z.string(),
    clientId: z.string(),
    clientSecret: z.string(),
    projectId: z.string(),
  }),
  killAt: z.int(),
});

const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
const { applicationUrl, maintenanceUrl, infisical, killAt } = Orders.parse(
  JSON.parse(Buffer.concat(chunks).toString()),
);

const database = connectDatabase({ applicationUrl, maintenanceUrl });
const secrets = createTenantSecrets({
  database,
  infisical: createInfisicalClient({ ...infisical, environment: "dev" }),
  catalog: deliveryChatCatalog,
});
let step = 0;
await secrets.keyRotation.rotate(
  { actor: { kind: "operator", id: "test-operator" } },
  {
    backup: () => Promise.resolve("sha256:fake"),
    onStep: ([phase, done]) => {
      console.log(`${phase} ${done}`);
      if (step++ === killAt) process.kill(process.pid, "SIGKILL");
    },
  },
);
await database.close();
