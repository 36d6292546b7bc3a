import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase, DatabaseError } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { systemCaller, TenantSecretsError } from "@repo/tenant-secrets";
import { assembleTenantSecrets } from "@repo/tenant-secrets/internals";
import { z } from "zod";

// A separate process, so that an uncaught error ends it and is noticed.

const Orders = z.object({
  urls: z.object({ application: z.string(), maintenance: z.string() }),
  infisical: z.object({
    siteUrl: z.string(),
    clientId: z.string(),
    clientSecret: z.string(),
    projectId: z.string(),
  }),
  companies: z.array(z.object({ id: z.string(), subdomain: z.string() })),
  durationMs: z.int(),
});

const [message]: unknown[] = await once(process, "message");
const { urls, infisical, companies, durationMs } = Orders.parse(message);
const database = connectDatabase({
  applicationUrl: urls.application,
  maintenanceUrl: urls.maintenance,
  maxConnections: 6,
});
const secrets = assembleTenantSecrets({
  database,
  infisical: createInfisicalClient({ ...infisical, environment: "dev" }),
  catalog: deliveryChatCatalog,
});
const worker = systemCaller("bench", { verbs: ["use", "write"], secretKeys: ["*"] });

// Longer than all the deadlines that a call can meet one after the other.
const hungAfterMs = 60_000;
const counts = { succeeded: 0, cleanErrors: 0, foreign: 0, hung: 0 };
const others: Record<string, number> = {};
const end = performance.now() + durationMs;

async function read({ subdomain }: (typeof companies)[number]): Promise<void> {
  const value = await secrets.company(subdomain, worker).get("CUSTOM_KEY");
  if (value !== `fake value of ${subdomain}`) counts.foreign += 1;
}

async function write({ subdomain }: (typeof companies)[number], keyVersion: number): Promise<void> {
  await secrets.company(subdomain, worker).set(`CUSTOM_${keyVersion}`, `fake value of ${subdomain}`);
}

/** A transaction of several statements with nothing but row-level security to keep companies apart. */
async function scan({ id }: (typeof companies)[number]): Promise<void> {
  await database.inCompany(id, async (statements) => {
    await statements.execute("select pg_sleep(random() * 0.05)");
    const rows = await statements.execute("select company_id from company_secrets");
    counts.foreign += rows.filter((row) => row["company_id"] !== id).length;
  });
}

async function work(keyVersion: number): Promise<void> {
  for (let turn = keyVersion; performance.now() < end; turn++) {
    const company = companies[turn % 2];
    if (company === undefined) throw new Error("two companies are needed");
    const does = turn % 3 === 0 ? read(company) : turn % 3 === 1 ? write(company, keyVersion) : scan(company);
    const outcome = await Promise.race([
      does.then(
        () => "succeeded" as const,
        (error: unknown) => error,
      ),
      sleep(hungAfterMs, "hung" as const, { ref: false }),
    ]);
    if (outcome === "succeeded" || outcome === "hung") counts[outcome] += 1;
    else if (isClean(outcome)) counts.cleanErrors += 1;
    else {
      const name = nameOf(outcome);
      others[name] = (others[name] ?? 0) + 1;
    }
  }
}

/** Whether the error reports an unavailable database or audit log, and that the same call may succeed later. */
function isClean(error: unknown): boolean {
  if (error instanceof DatabaseError) return error.kind === "unavailable";
  return error instanceof TenantSecretsError && error.code.endsWith("_UNAVAILABLE");
}

function nameOf(error: unknown): string {
  if (error instanceof TenantSecretsError) return `${error.code} (${error.diagnosis ?? "no diagnosis"})`;
  return error instanceof Error ? error.message : typeof error;
}

await Promise.all(Array.from({ length: 24 }, (_, keyVersion) => work(keyVersion)));
process.send?.({ ...counts, others });
await secrets.stop().catch(() => {});
await database.close();
process.disconnect();
