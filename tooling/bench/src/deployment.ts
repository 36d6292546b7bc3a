import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { connectDatabase, migrateDatabase, provisionDatabase, type Database } from "@repo/db";
import { startEmbeddedPostgres } from "@repo/db/embedded";
import { createInfisicalClient, type InfisicalClient } from "@repo/infisical";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { assembleTenantSecrets, type Assembly } from "@repo/tenant-secrets/internals";
import { z } from "zod";

export type Secrets = Assembly<typeof deliveryChatCatalog>;

const InfisicalPlace = z.object({
  siteUrl: z.string(),
  clientId: z.string(),
  clientSecret: z.string(),
  projectId: z.string(),
});

/** A database that processes can serve, and how it is entered. */
export const Place = z.object({
  urls: z.object({
    application: z.string(),
    maintenance: z.string(),
    migration: z.string(),
    listener: z.string(),
    signIn: z.string(),
  }),
  /** Bound by nothing: no row-level security, no limit of time. */
  superuserUrl: z.string(),
  infisical: InfisicalPlace,
});
export type Place = Readonly<z.infer<typeof Place>>;

export interface Deployment extends Place {
  readonly client: InfisicalClient;
  readonly database: Database;
  readonly secrets: Secrets;
  /** Another database of the same server, under the same master key. */
  addDatabase(name: string): Promise<Place>;
  /** How many requests Infisical has had. */
  infisicalRequests(): Promise<number>;
  stop(): Promise<void>;
}

/**
 * A PostgreSQL with its ordinary settings, a local Infisical in a process of its own and the library on top, in a directory
 * that goes with it.
 *
 * @param settings of PostgreSQL, beside the ordinary ones
 * @param region whose master key there is
 */
export async function startDeployment(
  settings: Readonly<Record<string, string>> = {},
  region = "default",
): Promise<Deployment> {
  // Not below a directory that only root can enter: the server runs as another user.
  const dataDir = mkdtempSync(path.join("/var/tmp", "tenant-secrets-bench-"));
  const server = await startEmbeddedPostgres({ dataDir, settings });
  const emulator = await startEmulator();
  const { infisical } = emulator;
  const client = createInfisicalClient({ ...infisical, environment: "dev" });
  const keyName =
    region === "default" ? "MASTER_ENCRYPTION_KEY" : `MASTER_ENCRYPTION_KEY_${region.toUpperCase()}_V1`;
  await client.putSecret("/hono-api", keyName, randomBytes(32).toString("hex"));

  // Roles belong to the whole server, so that all its databases need the same passwords.
  const password = () => randomBytes(32).toString("base64url");
  const passwords = {
    application: password(),
    maintenance: password(),
    migration: password(),
    listener: password(),
    signIn: password(),
  };
  const addDatabase = async (name: string): Promise<Place> => {
    const { superuserUrl } = server;
    const urls = await provisionDatabase({ superuserUrl, database: name, passwords });
    await migrateDatabase(urls.migration);
    const inside = new URL(superuserUrl);
    inside.pathname = `/${name}`;
    return { urls, superuserUrl: inside.href, infisical };
  };

  const place = await addDatabase("bench");
  const { application: applicationUrl, maintenance: maintenanceUrl } = place.urls;
  const database = connectDatabase({ applicationUrl, maintenanceUrl });
  const secrets = assembleTenantSecrets({
    database,
    infisical: client,
    catalog: deliveryChatCatalog,
    region,
    address: `https://${region}.example.com`,
  });
  await secrets.prepare();
  return {
    ...place,
    client,
    database,
    secrets,
    addDatabase,
    infisicalRequests: emulator.requests,
    stop: async () => {
      await database.close();
      await emulator.stop();
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function startEmulator() {
  const child = fork(fileURLToPath(new URL("emulator-process.ts", import.meta.url)));
  const answer = async (): Promise<unknown> => (await once(child, "message"))[0];
  const infisical = InfisicalPlace.parse(await answer());
  return {
    infisical,
    requests: async () => {
      child.send("requests");
      return z.int().parse(await answer());
    },
    stop: async () => {
      const ended = once(child, "exit");
      child.disconnect();
      await ended;
    },
  };
}
