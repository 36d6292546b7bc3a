import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import {
  connectDatabase,
  migrateDatabase,
  provisionDatabase,
  type Database,
  type DatabaseUrls,
} from "@repo/db";
import { startEmbeddedPostgres } from "@repo/db/embedded";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator } from "@repo/infisical/emulator";
import { createTenantSecrets, deliveryChatCatalog, type TenantSecrets } from "@repo/tenant-secrets";

export interface Deployment {
  readonly urls: DatabaseUrls;
  /** Of the database `postgres`, and bound by nothing. */
  readonly superuserUrl: string;
  readonly infisical: {
    readonly siteUrl: string;
    readonly clientId: string;
    readonly clientSecret: string;
    readonly projectId: string;
  };
  readonly database: Database;
  readonly secrets: TenantSecrets<typeof deliveryChatCatalog>;
  stop(): Promise<void>;
}

/** A PostgreSQL with its ordinary settings, a local Infisical and the library on top, in a directory that goes with it. */
export async function startDeployment(): Promise<Deployment> {
  // Not below a directory that only root can enter: the server runs as another user.
  const dataDir = mkdtempSync(path.join("/var/tmp", "tenant-secrets-bench-"));
  const server = await startEmbeddedPostgres({ dataDir });
  const urls = await provisionDatabase({ superuserUrl: server.superuserUrl, database: "bench" });
  await migrateDatabase(urls.migration);
  const { siteUrl, clientId, clientSecret, projectId, ...emulator } = await startInfisicalEmulator();
  const infisical = { siteUrl, clientId, clientSecret, projectId };
  const client = createInfisicalClient({ ...infisical, environment: "dev" });
  await client.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomBytes(32).toString("hex"));
  const database = connectDatabase({ applicationUrl: urls.application, maintenanceUrl: urls.maintenance });
  const secrets = createTenantSecrets({ database, infisical: client, catalog: deliveryChatCatalog });
  await secrets.prepare();
  return {
    urls,
    superuserUrl: server.superuserUrl,
    infisical,
    database,
    secrets,
    stop: async () => {
      await database.close();
      await emulator.stop();
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
