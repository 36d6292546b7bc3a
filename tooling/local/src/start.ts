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

const credentialsFile = "credentials.json";

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
  if (port !== preferredPort) say(takenText(preferredPort, "API", port));
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

const takenText = (wanted: number, server: string, port: number): string =>
  `Port ${wanted} is taken; ${server} takes ${port}.`;

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
      if (last !== undefined && port !== last) say(takenText(last, server, port));
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
  const name = "PostgreSQL";
  const last = ports.lastOf(name);
  const postgres = await startEmbeddedPostgres({ dataDir, ...(last !== undefined && { port: last }) });
  shutdown.onStop(() => postgres.stop());
  if (last !== undefined && postgres.port !== last) say(takenText(last, name, postgres.port));
  ports.remember(name, postgres.port);
  const urls = await provisionDatabase({ superuserUrl: postgres.superuserUrl, database: "tenant_secrets" });
  await migrateDatabase(urls.migration);
  say(`PostgreSQL     127.0.0.1:${postgres.port}`);
  return urls;
}

async function startInfisical(data: DataDirectory, ports: Ports) {
  const dataFile = data.at("infisical.json");
  // Credentials were made, so something was sealed under the master key that this file had.
  if (!existsSync(dataFile) && existsSync(data.at(credentialsFile)) && existsSync(data.at("postgres"))) {
    throw new Error(
      `${dataFile} is gone, and the master key with it; without that key the data of PostgreSQL stays shut. ` +
        `Put it back, or remove ${data.path} to begin anew.`,
    );
  }
  const name = "Infisical";
  const port = await ports.find(name);
  const emulator = await startInfisicalEmulator({ dataFile, port });
  shutdown.onStop(() => emulator.stop());
  ports.remember(name, port);
  await seedMasterKey(createInfisicalClient({ ...emulator, environment: "dev" }));
  say(`Infisical      ${emulator.siteUrl}  (a local stand-in)`);
  return emulator;
}

async function startStripe(ports: Ports) {
  const name = "Stripe";
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
  try {
    return await seedDemo(secrets, infisical, data.read(credentialsFile), (credentials) => {
      data.write(credentialsFile, credentials);
    });
  } finally {
    await database.close();
  }
}
