import { existsSync } from "node:fs";
import { connectDatabase, migrateDatabase, provisionDatabase } from "@repo/db";
import { startEmbeddedPostgres, usableDataDir } from "@repo/db/embedded";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator } from "@repo/infisical/emulator";
import { createTenantSecrets, deliveryChatCatalog } from "@repo/tenant-secrets";
import { startApi } from "./api-process.ts";
import { demoBanner, realServersBanner } from "./banner.ts";
import { openDataDirectory } from "./data-directory.ts";
import type { DataDirectory } from "./data-directory.ts";
import { environmentVariables } from "./env.ts";
import { apiEnvironment, readSettings } from "./environment.ts";
import type { LocalServers } from "./environment.ts";
import { announcePayments } from "./payments.ts";
import { findFreePort } from "./ports.ts";
import { seedDemo, seedMasterKey } from "./seed.ts";
import type { Credentials } from "./seed.ts";
import { createShutdown } from "./shutdown.ts";
import { startLocalStripe } from "./stripe.ts";

// `npm start`: everything that the product needs, on this machine, in the order in which one thing needs another.

const say = (line: string): void => console.log(line);
const shutdown = createShutdown(say);

try {
  await start();
} catch (error) {
  // Ctrl-C in the middle makes whatever was about to start fail; that is no news.
  if (!shutdown.begun) shutdown.begin(1, error instanceof Error ? error.message : "The start failed.");
}

async function start(): Promise<void> {
  const settings = readSettings(environmentVariables());
  const { given, host, preferredPort } = settings;
  const data = openData(settings.preferredDataDir, !given.database);
  const ports = choosePorts(data);

  const database = given.database ? undefined : await startDatabase(data, ports);
  const infisical = given.infisical ? undefined : await startInfisical(data, ports);
  const stripe = given.stripe ? undefined : await startStripe(ports);
  const servers: LocalServers = { database, infisical, stripe };

  const port = await findFreePort(preferredPort);
  if (port !== preferredPort) say(`Port ${preferredPort} is taken; the API takes ${port}.`);
  const hostName = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  const url = `http://${hostName.includes(":") ? `[${hostName}]` : hostName}:${port}`;
  const api = startApi({
    environment: apiEnvironment(environmentVariables(), servers, port),
    url,
    logFile: data.at("api.log"),
    say,
    onDeath: (reason) => shutdown.begin(1, reason),
  });
  shutdown.onStop(() => api.stop());

  const isDemo = database !== undefined && infisical !== undefined;
  const [credentials] = await Promise.all([isDemo ? seed(data, database, infisical) : undefined, api.ready()]);
  if (shutdown.begun) return;

  say(`API            ${url}  (log: ${data.at("api.log")})\n`);
  if (credentials === undefined || database === undefined) say(realServersBanner(url));
  else {
    const companyApi = (subdomain: string) => `http://${subdomain}.${settings.baseDomain}:${port}`;
    say(demoBanner({ api: url, companyApi, database: database.maintenance }, credentials, stripe !== undefined));
  }
  say(`Ready after ${(performance.now() / 1_000).toFixed(1)} s. Ctrl-C ends everything; the data stays in ${data.path}`);
}

function openData(preferred: string, forPostgres: boolean): DataDirectory {
  const directory = forPostgres ? usableDataDir(preferred) : preferred;
  if (directory !== preferred) {
    say(`The user who runs PostgreSQL cannot enter ${preferred}: the data is in ${directory}`);
  }
  return openDataDirectory(directory);
}

type Ports = ReturnType<typeof choosePorts>;

/** The ports of the last start, where they can be had again. */
function choosePorts(data: DataDirectory) {
  const file = "ports.json";
  const ports = { ...data.read(file) };
  const lastOf = (server: string): number | undefined => Number(ports[server]) || undefined;
  return {
    lastOf,
    find: async (server: string): Promise<number> => {
      const last = lastOf(server);
      const port = await findFreePort(last);
      if (last !== undefined && port !== last) say(`Port ${last} is taken; the ${server} takes ${port}.`);
      return port;
    },
    remember: (server: string, port: number): void => {
      ports[server] = String(port);
      data.write(file, ports);
    },
  };
}

async function startDatabase(data: DataDirectory, ports: Ports) {
  const dataDir = data.at("postgres");
  if (existsSync(`${dataDir}/cluster`) && !existsSync(data.at("infisical.json"))) {
    throw new Error(
      `${data.at("infisical.json")} is gone, and with it the master key: what is in ${dataDir} cannot be opened without. ` +
        `Put it back, or remove ${data.path} to begin anew.`,
    );
  }
  const name = "PostgreSQL";
  const last = ports.lastOf(name);
  const postgres = await startEmbeddedPostgres({ dataDir, ...(last !== undefined && { port: last }) });
  shutdown.onStop(() => postgres.stop());
  ports.remember(name, postgres.port);
  const urls = await provisionDatabase({ superuserUrl: postgres.superuserUrl, database: "tenant_secrets" });
  await migrateDatabase(urls.migration);
  say(`PostgreSQL     127.0.0.1:${postgres.port}`);
  return urls;
}

async function startInfisical(data: DataDirectory, ports: Ports) {
  const name = "local Infisical";
  const port = await ports.find(name);
  const emulator = await startInfisicalEmulator({ dataFile: data.at("infisical.json"), port });
  shutdown.onStop(() => emulator.stop());
  ports.remember(name, port);
  await seedMasterKey(createInfisicalClient({ ...emulator, environment: "dev" }));
  say(`Infisical      ${emulator.siteUrl}  (a local stand-in)`);
  return emulator;
}

async function startStripe(ports: Ports) {
  const name = "local Stripe";
  const port = await ports.find(name);
  const stripe = await startLocalStripe({ port });
  shutdown.onStop(() => stripe.stop());
  ports.remember(name, port);
  announcePayments(stripe, say);
  say(`Stripe         ${stripe.url}  (a local stand-in)`);
  return stripe;
}

async function seed(
  data: DataDirectory,
  urls: { readonly application: string; readonly maintenance: string },
  emulator: Awaited<ReturnType<typeof startInfisical>>,
): Promise<Credentials> {
  const database = connectDatabase({ applicationUrl: urls.application, maintenanceUrl: urls.maintenance });
  const infisical = createInfisicalClient({ ...emulator, environment: "dev" });
  const secrets = createTenantSecrets({ database, infisical, catalog: deliveryChatCatalog });
  const file = "credentials.json";
  try {
    return await seedDemo(secrets, infisical, data.read(file), (credentials) => data.write(file, credentials));
  } finally {
    await database.close();
  }
}
