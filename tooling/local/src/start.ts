import { existsSync } from "node:fs";
import { usableDataDir } from "@repo/db/embedded";
import { startInfisicalEmulator } from "@repo/infisical/emulator";
import { buildAdmin } from "./admin-build.ts";
import { linkIn, startInbox } from "@repo/mail/inbox";
import { startLocalSendgrid } from "@repo/providers/sendgrid";
import { startLocalStripe } from "@repo/providers/stripe";
import { startWebhookReceiver, type WebhookReceiver } from "@repo/providers/webhook-receiver";
import { startApi } from "./api-process.ts";
import { demoBanner, realServersBanner } from "./banner.ts";
import { areAllGood, credentialsFile, haveAllPeople, openCredentials } from "./credentials.ts";
import type { Credentials } from "./credentials.ts";
import { startDatabase } from "./database.ts";
import type { RoleUrls } from "./database.ts";
import { openDataDirectory } from "./data-directory.ts";
import type { DataDirectory } from "./data-directory.ts";
import { environmentVariables } from "./env.ts";
import { apiEnvironment, approvalsOf, asEnvFile, readSettings, variablesOf } from "./environment.ts";
import type { LocalServers, Variables } from "./environment.ts";
import type { DemoSignIn } from "./demo-people.ts";
import { beginRotation, isNotified, trustEndpoint } from "./demo-rotation.ts";
import { sayKeys, sayPayments } from "./payments.ts";
import { peopleBox } from "./people-box.ts";
import { choosePorts, findFreePort } from "./ports.ts";
import type { Ports } from "./ports.ts";
import { readRegions, type TwoRegions } from "./regions/read-regions.ts";
import type { DemoServers, InfisicalServer } from "./seed.ts";
import { createShutdown, endWithParent } from "./shutdown.ts";

// `npm start`: everything that the product needs, on this machine, in the order in which one thing needs another.

const envFileName = "local.env";

const say = (line: string): void => console.log(line);
const shutdown = createShutdown(say);

try {
  await start(readRegions(process.argv.slice(2)));
} catch (error) {
  // Ctrl-C in the middle makes whatever was about to start fail; that is no news.
  if (!shutdown.begun) shutdown.begin(1, error instanceof Error ? error.message : "The start failed.");
}

async function start(regions: TwoRegions | undefined): Promise<void> {
  const settings = readSettings(environmentVariables());
  const { given, preferredDataDir, host, preferredPort, preferredMetricsPort, baseDomain } = settings;
  if (settings.underNpm) endWithParent(shutdown);
  const data = openData(preferredDataDir, !given.database);
  if (regions !== undefined) {
    const { startRegions } = await import("./regions/start-regions.ts");
    const environment = environmentVariables();
    return startRegions({ names: regions, settings, environment, data }, { say, shutdown });
  }
  const ports = choosePorts(data, say);

  // First, because two starts on the same data are told apart here.
  const database = given.database ? undefined : await startPostgres(data, ports);
  const infisical = given.infisical ? undefined : await startInfisical(data, ports);
  const stripe = given.stripe ? undefined : await startStripe(ports);
  const sendgrid = given.sendgrid ? undefined : await startSendgrid(ports);
  const mail = given.mail ? undefined : await startMail(ports);
  const receiver = database && infisical && (await startReceiver(ports));

  const port = await findFreePort(preferredPort);
  if (port !== preferredPort) say(`Port ${preferredPort} is taken; the API takes ${port}.`);
  const metricsPort = await findFreePort(preferredMetricsPort ?? ports.lastOf("Metrics"));
  ports.remember("Metrics", metricsPort);
  const hostInUrl = ["0.0.0.0", "::"].includes(host) ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
  const url = `http://${hostInUrl}:${port}`;
  const environment = apiEnvironment(
    environmentVariables(),
    { database, infisical, stripe, sendgrid, mail, receiver },
    { ports: { api: port, metrics: metricsPort }, cacheDir: data.at("compile-cache") },
  );
  await buildAdmin();
  const api = startApi({
    environment,
    url,
    logFile: data.at("api.log"),
    say,
    onDeath: (reason) => shutdown.begin(1, reason),
  });
  shutdown.onStop(() => api.stop());
  await api.ready();
  say(`API          ${url}  (its log: ${data.at("api.log")})`);
  say(`Admin        ${environment["PUBLIC_URL"] ?? url}`);
  const metricsUrl = `http://${hostInUrl}:${metricsPort}/metrics`;
  say(`Metrics      ${metricsUrl}\n`);

  const envFile = keepVariables(data, { database, infisical, stripe, sendgrid, receiver });
  if (database === undefined || infisical === undefined || receiver === undefined) {
    say(realServersBanner({ api: url, metrics: metricsUrl, envFile }));
  } else {
    const signIn = signInOf(environment);
    const servers = { database, infisical, stripe, sendgrid, receiver, signIn };
    const credentials = await demoCredentials(data, url, servers);
    const companyUrl = (subdomain: string) => `http://${subdomain}.${baseDomain}:${port}`;
    const addresses = {
      api: url,
      metrics: metricsUrl,
      companyUrl,
      database: database.maintenance,
      sendgrid: sendgrid?.url,
    };
    say(demoBanner(addresses, credentials, stripe !== undefined));
    if (signIn !== undefined) say(peopleBox(signIn.publicUrl, credentials));
  }
  const seconds = (performance.now() / 1_000).toFixed(1);
  say(`Ready after ${seconds} s. Ctrl-C ends everything; the data stays in ${data.path}`);
}

/** @returns the file with the variables of the local servers; undefined if commands need none of them */
function keepVariables(data: DataDirectory, servers: LocalServers): string | undefined {
  const isNeeded = servers.database !== undefined || servers.infisical !== undefined;
  data.writeText(
    envFileName,
    isNeeded ? asEnvFile({ ...approvalsOf(servers), ...variablesOf(servers) }) : "",
  );
  return isNeeded ? data.at(envFileName) : undefined;
}

function openData(preferred: string, forPostgres: boolean): DataDirectory {
  const directory = forPostgres ? usableDataDir(preferred) : preferred;
  if (directory !== preferred) {
    say(`The user who runs PostgreSQL cannot enter ${preferred}: the data is in ${directory}`);
  }
  return openDataDirectory(directory);
}

async function startPostgres(data: DataDirectory, ports: Ports): Promise<RoleUrls> {
  const last = ports.lastOf("PostgreSQL");
  const database = await startDatabase(data.at("postgres"), last);
  shutdown.onStop(() => database.stop());
  ports.remember("PostgreSQL", database.port);
  say(`PostgreSQL   127.0.0.1:${database.port}`);
  return database.roleUrls();
}

async function startInfisical(data: DataDirectory, ports: Ports): Promise<InfisicalServer> {
  const dataFile = data.at("infisical.json");
  const isFirstStart = !existsSync(data.at(credentialsFile));
  // Existing credentials mean that values were encrypted under the master key in this file.
  if (!isFirstStart && !existsSync(dataFile) && existsSync(data.at("postgres"))) {
    throw new Error(
      `${dataFile} is gone, and the master key with it; without that key the data of PostgreSQL cannot be decrypted. ` +
        `Put it back, or remove ${data.path} to start over.`,
    );
  }
  const port = await ports.find("Infisical");
  const emulator = await startInfisicalEmulator({ dataFile, port });
  shutdown.onStop(() => emulator.stop());
  ports.remember("Infisical", port);
  say(`Infisical    ${emulator.siteUrl}  (a local stand-in)`);
  if (isFirstStart) await (await import("./seed.ts")).seedMasterKey(emulator);
  return emulator;
}

async function startStripe(ports: Ports): Promise<{ readonly url: string }> {
  const port = await ports.find("Stripe");
  const stripe = await startLocalStripe({ port, onRequest: sayPayments(say) });
  shutdown.onStop(() => stripe.stop());
  ports.remember("Stripe", port);
  say(`Stripe       ${stripe.url}  (a local stand-in)`);
  return stripe;
}

async function startSendgrid(ports: Ports): Promise<{ readonly url: string }> {
  const port = await ports.find("SendGrid");
  const sendgrid = await startLocalSendgrid({ port, adoptsKeys: true, onRequest: sayKeys(say) });
  shutdown.onStop(() => sendgrid.stop());
  ports.remember("SendGrid", port);
  say(`SendGrid     ${sendgrid.url}  (a local stand-in)`);
  return sendgrid;
}

async function startMail(ports: Ports): Promise<LocalServers["mail"]> {
  const smtpPort = await ports.find("SMTP");
  const port = await ports.find("Inbox");
  const inbox = await startInbox({
    smtpPort,
    port,
    onMail: (received) => say(`Mail to ${received.to}: ${linkIn(received) ?? inbox.url}`),
  });
  shutdown.onStop(() => inbox.stop());
  ports.remember("SMTP", smtpPort);
  ports.remember("Inbox", port);
  say(`Mail         ${inbox.url}  (a local stand-in)`);
  return { smtpUrl: inbox.smtpUrl };
}

async function startReceiver(ports: Ports): Promise<WebhookReceiver> {
  const port = await ports.find("Webhooks");
  const receiver = await startWebhookReceiver({ port, say });
  shutdown.onStop(() => receiver.stop());
  ports.remember("Webhooks", port);
  say(`Webhooks     ${receiver.url}  (a local receiver, which verifies them)`);
  return receiver;
}

/** The sign-in of people, as the API has it; undefined where it has none. */
function signInOf({
  DATABASE_SIGN_IN_URL: databaseUrl,
  PUBLIC_URL: publicUrl,
}: Variables): DemoSignIn | undefined {
  return databaseUrl && publicUrl ? { databaseUrl, publicUrl } : undefined;
}

async function demoCredentials(data: DataDirectory, url: string, servers: DemoServers): Promise<Credentials> {
  const { receiver, sendgrid, signIn } = servers;
  const store = openCredentials(data);
  const known = store.all();
  const hasAll = (signIn === undefined || haveAllPeople(known)) && isNotified(known, receiver);
  if (!hasAll || !(await areAllGood(known, url))) {
    const { seedDemo } = await import("./seed.ts");
    await seedDemo(servers, store);
  }
  const credentials = store.all();
  trustEndpoint(credentials, receiver);
  if (sendgrid !== undefined) await beginRotation(url, credentials);
  return credentials;
}
