import { connectDatabase, type Database, type Statements } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import { sql } from "drizzle-orm";
import { z } from "zod";
import { deliveryChatCatalog } from "./catalog/delivery-chat.ts";
import { createTenantSecrets } from "./tenant-secrets.ts";

// For company-key-rotation-kill.db.test.ts: a process that rotates a company's key, and kills itself when everything of one
// transaction is done but the commit. Those that change nothing do not count. It reads its orders from standard input.

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
  killAt: z.int(),
});

const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
const { applicationUrl, maintenanceUrl, infisical, subdomain, killAt } = Orders.parse(
  JSON.parse(Buffer.concat(chunks).toString()),
);

let transactions = 0;
function killing<T>(work: (statements: Statements) => Promise<T>): (statements: Statements) => Promise<T> {
  return async (statements) => {
    const result = await work(statements);
    const [row] = await statements.execute(
      sql`select pg_current_xact_id_if_assigned() is not null as changed`,
    );
    if (row?.["changed"] === true && transactions++ === killAt) process.kill(process.pid, "SIGKILL");
    return result;
  };
}

const real = connectDatabase({ applicationUrl, maintenanceUrl });
const database: Database = {
  ...real,
  inCompany: (companyId, work) => real.inCompany(companyId, killing(work)),
  acrossCompanies: (work) => real.acrossCompanies(killing(work)),
};
const secrets = createTenantSecrets({
  database,
  infisical: createInfisicalClient({ ...infisical, environment: "dev" }),
  catalog: deliveryChatCatalog,
});
const operator = { actor: { kind: "operator", id: "test-operator" } } as const;
await secrets.companyKeyRotation.rotateCompanyKey(operator, subdomain);
await database.close();
