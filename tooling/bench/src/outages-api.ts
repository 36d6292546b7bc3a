import { spawn } from "node:child_process";
import { once } from "node:events";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connectDatabase, migrateDatabase, provisionDatabase } from "@repo/db";
import { startFaultyPostgres, type FaultyPostgres } from "@repo/db/faults";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator } from "@repo/infisical/emulator";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import type { Caller } from "@repo/tenant-secrets";
import { assembleTenantSecrets } from "@repo/tenant-secrets/internals";

/** The API as it is deployed, on a database to break. */
export interface ApiToBreak {
  readonly url: string;
  readonly credential: string;
  readonly company: string;
  readonly postgres: FaultyPostgres;
  stop(): Promise<void>;
}

const server = fileURLToPath(new URL("../../../apps/hono-api/src/server.ts", import.meta.url));
const operator: Caller = { actor: { kind: "operator", id: "bench" } };

export async function startApiToBreak(dataDir: string): Promise<ApiToBreak> {
  const database = "outages";
  let applicationUrl = "";
  const postgres = await startFaultyPostgres({ dataDir, database, applicationUrl: () => applicationUrl });
  const urls = await provisionDatabase({ superuserUrl: postgres.superuserUrl, database });
  applicationUrl = urls.application;
  await migrateDatabase(urls.migration);
  const emulator = await startInfisicalEmulator();
  const infisical = createInfisicalClient({ ...emulator, environment: "dev" });
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomBytes(32).toString("hex"));
  const connection = connectDatabase({ applicationUrl, maintenanceUrl: urls.maintenance });
  const secrets = assembleTenantSecrets({ database: connection, infisical, catalog: deliveryChatCatalog });
  const company = "acmecorp";
  await secrets.companies.create(operator, { subdomain: company, secretStore: "database" });
  const { apiKey: credential } = await secrets.apiKeys.create(operator, {
    name: "bench",
    companies: [company],
    platform: false,
    verbs: ["describe", "use", "write"],
    secretKeys: ["*"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  await secrets.stop();
  await connection.close();

  const child = spawn(process.execPath, [server], {
    env: {
      PORT: "0",
      DRAIN_SECONDS: "0",
      DATABASE_URL: urls.application,
      DATABASE_MAINTENANCE_URL: urls.maintenance,
      DATABASE_LISTENER_URL: urls.listener,
      INFISICAL_SITE_URL: emulator.siteUrl,
      INFISICAL_CLIENT_ID: emulator.clientId,
      INFISICAL_CLIENT_SECRET: emulator.clientSecret,
      INFISICAL_PROJECT_ID: emulator.projectId,
      INFISICAL_ENVIRONMENT: "dev",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const { promise: url, resolve } = Promise.withResolvers<string>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const [, said] = /"url":"(http[^"]+)"/.exec(text) ?? [];
    if (said !== undefined) resolve(said);
  });
  const address = await url;
  while (!(await fetch(`${address}/readyz`)).ok) await sleep(100);
  return {
    url: address,
    credential,
    company,
    postgres,
    stop: async () => {
      if (child.exitCode !== null) console.log(`The API ended by itself, with ${child.exitCode}.`);
      child.kill("SIGTERM");
      await ended;
      await emulator.stop();
      await postgres.stop();
    },
  };
}
