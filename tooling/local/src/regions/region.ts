import { startInfisicalEmulator } from "@repo/infisical/emulator";
import { startApi } from "../api-process.ts";
import { openCredentials, type Credentials } from "../credentials.ts";
import { openDataDirectory } from "../data-directory.ts";
import { startDatabase, type LocalDatabase } from "../database.ts";
import { apiEnvironment, approvalsOf, type Variables, variablesOf } from "../environment.ts";
import { choosePorts, findFreePort } from "../ports.ts";
import { seedMasterKey } from "../seed.ts";
import type { Shutdown } from "../shutdown.ts";
import { createCommandLine, type CommandLine } from "./command-line.ts";
import { seedRegion } from "./seed-region.ts";

/** A region that runs on this machine. */
export interface LocalRegion {
  readonly name: string;
  /** Of its API. */
  readonly url: string;
  readonly adminUrl: string;
  readonly database: LocalDatabase;
  /** The directory of its data. */
  readonly path: string;
  /** Of its operator, and of the person who can sign in. */
  readonly credentials: Credentials;
  /** As an operator, by the API. */
  readonly remote: CommandLine;
  /** Next to the database. */
  readonly direct: CommandLine;
}

export interface RegionOptions {
  readonly name: string;
  readonly path: string;
  readonly environment: Variables;
  readonly host: string;
  readonly preferredPort: number;
  readonly mail: { readonly smtpUrl: string };
}

/** Replication needs logical WAL. What an end keeps for one that does not read is bounded, so that it does not fill the disk. */
export const replicating = { wal_level: "logical", max_slot_wal_keep_size: "512MB" } as const;

/** Starts PostgreSQL, Infisical and the API of one region. Ends with `shutdown`. */
export async function startRegion(
  { name, path, environment, host, preferredPort, mail }: RegionOptions,
  { say, shutdown }: { readonly say: (line: string) => void; readonly shutdown: Shutdown },
): Promise<LocalRegion> {
  const sayHere = (line: string) => say(`${name}  ${line}`);
  const data = openDataDirectory(path);
  const ports = choosePorts(data, sayHere);
  const postgres = await startDatabase(data.at("postgres"), ports.lastOf("PostgreSQL"), replicating);
  shutdown.onStop(() => postgres.stop());
  ports.remember("PostgreSQL", postgres.port);
  sayHere(`PostgreSQL   127.0.0.1:${postgres.port}`);
  const database = await postgres.roleUrls();

  const infisicalPort = await ports.find("Infisical");
  const infisical = await startInfisicalEmulator({
    dataFile: data.at("infisical.json"),
    port: infisicalPort,
  });
  shutdown.onStop(() => infisical.stop());
  ports.remember("Infisical", infisicalPort);
  sayHere(`Infisical    ${infisical.siteUrl}  (a local stand-in)`);
  await seedMasterKey(infisical, `MASTER_ENCRYPTION_KEY_${name.toUpperCase().replaceAll("-", "_")}_V1`);

  const port = await findFreePort(preferredPort);
  const metricsPort = await findFreePort(ports.lastOf("Metrics"));
  ports.remember("Metrics", metricsPort);
  const adminUrl = `http://${name}.localhost:${port}`;
  const servers = { database, infisical, stripe: undefined, mail, region: name };
  // Each admin app has a name of its own: browsers keep one set of cookies for all ports of a name.
  const named = { ...environment, BASE_DOMAIN: `${name}.localhost`, PUBLIC_URL: adminUrl };
  const hostInUrl = ["0.0.0.0", "::"].includes(host) ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
  const url = `http://${hostInUrl}:${port}`;
  const api = startApi({
    environment: apiEnvironment(named, servers, {
      ports: { api: port, metrics: metricsPort },
      cacheDir: data.at("compile-cache"),
    }),
    url,
    logFile: data.at("api.log"),
    say: sayHere,
    onDeath: (reason) => shutdown.begin(1, `${name}: ${reason}`),
  });
  shutdown.onStop(() => api.stop());
  await api.ready();
  sayHere(`API          ${url}  (its log: ${data.at("api.log")})`);
  sayHere(`Admin        ${adminUrl}`);

  const store = openCredentials(data);
  const signIn = { databaseUrl: database.signIn, publicUrl: adminUrl };
  await seedRegion({ region: name, database, infisical, signIn }, store);
  const token = { TENANT_SECRETS_OPERATOR_TOKEN: store.known("operator") };
  return {
    name,
    url,
    adminUrl,
    database: postgres,
    path: data.path,
    credentials: store.all(),
    remote: createCommandLine({ ...environment, ...token, TENANT_SECRETS_URL: url }),
    direct: createCommandLine({ ...environment, ...approvalsOf(servers), ...variablesOf(servers) }),
  };
}
