import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase } from "@repo/db";
import { createTestDatabase, type TestDatabase } from "@repo/db/testing";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator, type InfisicalEmulator } from "@repo/infisical/emulator";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createTenantSecretsClient } from "@repo/tenant-secrets/client";
import { afterAll, beforeAll, expect, it } from "vitest";
import { pay, send, sendJson } from "./testing/raw-http.ts";
import { companies, createBackends, subdomains, type Backends } from "./testing/fixture.ts";
import { startServer, variablesOf, type ServerProcess } from "./testing/spawn.ts";

// Each start of a process costs a busy machine seconds.
const slow = { timeout: 240_000, concurrent: true };

let backends: Backends;
let empty: TestDatabase;
const processes: ServerProcess[] = [];

beforeAll(async () => {
  [backends, empty] = await Promise.all([createBackends(), createTestDatabase()]);
});
afterAll(async () => {
  for (const child of processes) child.kill("SIGKILL");
  await Promise.all(processes.map(({ ended }) => ended));
  await empty.drop();
});

function start(
  { urls }: TestDatabase,
  emulator: InfisicalEmulator,
  more: Record<string, string> = {},
): ServerProcess {
  const child = startServer({
    ...variablesOf(urls, emulator),
    DATABASE_MIGRATION_URL: urls.migration,
    STRIPE_API_URL: backends.stripe.url,
    LOG_LEVEL: "debug",
    ...more,
  });
  processes.push(child);
  return child;
}

async function putMasterKey(emulator: InfisicalEmulator, masterKey: string): Promise<void> {
  const infisical = createInfisicalClient({ ...emulator, environment: "dev" });
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", masterKey);
}

/** How often an API key read what. */
async function auditedReads(apiKeyId: string): Promise<Record<string, number>> {
  const { application, maintenance } = backends.database.urls;
  const database = connectDatabase({ applicationUrl: application, maintenanceUrl: maintenance });
  const rows = await database.acrossCompanies((statements) =>
    statements.execute<{ secret_key: string; reads: number }>(
      `select secret_key, sum(count)::int as reads from audit_events
       where action = 'secret.read' and outcome = 'success' and actor_id = '${apiKeyId}' group by secret_key`,
    ),
  );
  await database.close();
  return Object.fromEntries(rows.map((row) => [row.secret_key, row.reads]));
}

async function untilReady(url: string): Promise<void> {
  while ((await send(url, { path: "/readyz" })).status !== 200) await sleep(100);
}

const unusable: readonly (readonly [string, string | undefined, RegExp])[] = [
  ["is missing", undefined, /MASTER_ENCRYPTION_KEY is not in the folder \/hono-api .*openssl rand -hex 32/],
  ["is malformed", "canary-not-a-key", /not exactly 64 hexadecimal digits.*openssl rand -hex 32/],
  ["is all zeros", "0".repeat(64), /not a random key.*openssl rand -hex 32/],
];
it.each(unusable)(
  "exits with 1 and one line that says what to do when the master key %s",
  slow,
  async (_, masterKey, sentence) => {
    const emulator = await startInfisicalEmulator();
    // One that knows no master key: the advice is another where the registry knows one.
    const unused = await createTestDatabase();
    try {
      if (masterKey !== undefined) await putMasterKey(emulator, masterKey);
      const child = start(unused, emulator);
      expect(await child.ended).toBe(1);
      expect(child.output()).toMatch(sentence);
      expect(child.output()).not.toMatch(/canary|0{64}|\n +at /);
      expect(child.output().match(/"level":"fatal"/g)).toHaveLength(1);
    } finally {
      await Promise.all([emulator.stop(), unused.drop()]);
    }
  },
);

it(
  "waits for Infisical, says so once, is ready when it comes up, and ends at once on a second signal",
  slow,
  async () => {
    const directory = mkdtempSync(path.join(tmpdir(), "hono-api-"));
    const dataFile = path.join(directory, "infisical.json");
    const emulatorBefore = await startInfisicalEmulator({ dataFile });
    await putMasterKey(emulatorBefore, randomBytes(32).toString("hex"));
    await emulatorBefore.stop();
    const child = start(empty, emulatorBefore);
    const url = await child.url();
    await child.says(/waiting: The master key/);
    const { status, body } = await send(url, { path: "/readyz" });
    expect([status, JSON.parse(body)]).toMatchObject([
      503,
      {
        status: "starting",
        checks: { database: "ok", infisical: expect.stringContaining("could not be reached") },
      },
    ]);
    expect((await sendJson(url, { path: "/trpc/secrets.read", body: {} })).status).toBe(503);

    const emulator = await startInfisicalEmulator({
      dataFile,
      port: Number(new URL(emulatorBefore.siteUrl).port),
    });
    try {
      await untilReady(url);
      expect(child.output().match(/waiting:/g)).toHaveLength(1);
    } finally {
      await emulator.stop();
      rmSync(directory, { recursive: true });
    }

    // A request whose body does not come holds the first signal up.
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname).on("error", () => {});
    socket.write(
      "POST /none HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n",
    );
    await sleep(200);
    child.kill("SIGINT");
    await child.says(/stopping/);
    child.kill("SIGINT");
    expect(await child.ended).toBe(1);
    socket.destroy();
  },
);

it("an unexpected error ends the process with exit code 1, and only its class is logged", slow, async () => {
  const surprise = "process.once('SIGUSR2',()=>{throw(new(TypeError)('a-canary'))})";
  const child = start(backends.database, backends.emulator, {
    NODE_OPTIONS: `--import=data:text/javascript,${surprise}`,
  });
  await untilReady(await child.url());
  child.kill("SIGUSR2");
  expect(await child.ended).toBe(1);
  expect(child.output()).toContain('"diagnosis":"TypeError"');
  expect(child.output()).not.toContain("canary");
});

it.each(["SIGHUP", "SIGINT", "SIGTERM"] as const)(
  "answers the request that runs before it ends, for as long as STOP_SECONDS allows: %s",
  slow,
  async (signal) => {
    const child = start(backends.database, backends.emulator, { STOP_SECONDS: "30" });
    const url = await child.url();
    await untilReady(url);
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    const answer = text(socket);
    socket.write(
      "POST /none HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n",
    );
    await sleep(200);
    child.kill(signal);
    await child.says(/stopping/);
    socket.write("{}");
    expect(await answer).toMatch(/^HTTP\/1.1 404 /);
    expect(await child.ended).toBe(0);
    expect(child.output()).toContain('"msg":"stopped"');
  },
);

it(
  "says that it is not ready at once after SIGTERM, serves everything for DRAIN_SECONDS, and then ends",
  slow,
  async () => {
    const child = start(backends.database, backends.emulator, { DRAIN_SECONDS: "4", METRICS_PORT: "0" });
    const url = await child.url();
    await untilReady(url);
    const { apiKey: credential } = await backends.apiKey("acmecorp");
    const company = createTenantSecretsClient({ url, credential, catalog: deliveryChatCatalog }).company(
      "acmecorp",
    );
    child.kill("SIGTERM");
    await child.says(/not ready from now on, and serving for 4 s/);
    const { status, headers, body } = await send(url, { path: "/readyz" });
    expect([status, headers.connection, JSON.parse(body).status]).toEqual([503, "close", "stopping"]);
    expect(await company.get("STRIPE_SECRET_KEY")).toBe(companies.acmecorp.stripeKey);
    expect((await send(url, { path: "/healthz" })).status).toBe(200);
    const metrics = await send(await child.metricsUrl(), { path: "/metrics" });
    expect(metrics.body).toContain('tenant_secrets_process_state{state="stopping"} 1\n');
    expect(await child.ended).toBe(0);
    expect(child.output()).toContain('"msg":"stopped"');
  },
);

it(
  "a second signal ends a process at once that drains, and one that has served nothing yet does not drain",
  slow,
  async () => {
    const hour = { DRAIN_SECONDS: "3600", STOP_SECONDS: "3600" };
    const draining = start(backends.database, backends.emulator, hour);
    await untilReady(await draining.url());
    draining.kill("SIGTERM");
    await draining.says(/not ready from now on/);
    draining.kill("SIGTERM");
    expect(await draining.ended).toBe(1);

    const waiting = start(backends.database, backends.emulator, {
      ...hour,
      INFISICAL_SITE_URL: "http://127.0.0.1:1",
    });
    await waiting.says(/waiting: /);
    waiting.kill("SIGTERM");
    expect(await waiting.ended).toBe(0);
    expect(waiting.output()).not.toContain("not ready from now on");
  },
);

it(
  "finishes what runs after SIGTERM, exits with 0 and every read in the audit log, and has written no value, key or credential",
  slow,
  async () => {
    const child = start(backends.database, backends.emulator);
    const url = await child.url();
    await untilReady(url);
    const { apiKey: credential, id: apiKeyId } = await backends.apiKey(...subdomains);
    const client = createTenantSecretsClient({ url, credential, catalog: deliveryChatCatalog });
    for (const subdomain of subdomains) {
      const company = client.company(subdomain);
      await company.set("CUSTOM_NOTE", "a-canary");
      expect(await company.get("CUSTOM_NOTE")).toBe("a-canary");
      await company.remove("CUSTOM_NOTE");
      expect((await pay(url, { host: `${subdomain}.localhost`, credential })).status).toBe(201);
    }
    for (const body of [
      '{"json":{"company":"acmecorp","secretKey":"STRIPE_SECRET_KEY","value":"a-canary"}}',
      '{"json":{"company":"acmecorp","secretKey":"a-canary","value":"a-canary"}}',
      '{"json":{"company":"acmecorp","secretKey":"CUSTOM_A","value":"a-canary\\u0000"}}',
      '{"json":{"company":"acmecorp","a-canary":"a-canary"}}',
      '{"json":"a-canary',
    ]) {
      expect(
        (
          await sendJson(url, {
            path: "/trpc/secrets.write",
            body,
            headers: { authorization: `Bearer ${credential}` },
          })
        ).status,
      ).toBe(400);
    }
    await send(url, {
      path: "/a-canary?a-canary",
      headers: { "x-request-id": "a-canary", "user-agent": "a-canary" },
    });
    await send(url, { path: "/trpc/a-canary", headers: { authorization: "Bearer a-canary" } });
    await pay(url, { host: "a-canary.localhost", credential });

    // The payment has to ask Infisical for its key after this: a write ends what the cache has of that secret.
    await client.company("codewiser").set("STRIPE_SECRET_KEY", companies.codewiser.stripeKey);
    const seen = backends.emulator.requests().length;
    backends.emulator.faults.add({ kind: "delay", durationMs: 1000 }, { path: /secrets/ });
    const running = pay(url, { host: "codewiser.localhost", credential });
    const asked = () => backends.emulator.requests().slice(seen);
    const until = performance.now() + 20_000;
    while (!asked().some((request) => request.path.includes("secrets"))) {
      if (performance.now() > until) throw new Error("the payment asked Infisical for nothing");
      await sleep(20);
    }
    child.kill("SIGTERM");
    await child.says(/stopping/);
    await expect(send(url, { path: "/healthz" })).rejects.toThrow(/ECONNREFUSED|ECONNRESET/);
    expect((await running).status).toBe(201);
    expect(backends.stripe.requests().at(-1)?.authorization).toBe(`Bearer ${companies.codewiser.stripeKey}`);
    expect(await child.ended).toBe(0);
    expect(await auditedReads(apiKeyId)).toEqual({ CUSTOM_NOTE: 3, STRIPE_SECRET_KEY: 4 });

    const passwords = Object.values(backends.database.urls).map(
      (databaseUrl) => new URL(databaseUrl).password,
    );
    expect(child.output()).toContain('"code":"INVALID_VALUE"');
    for (const secret of [
      "canary",
      "sk_test",
      credential.slice(4, 40),
      backends.emulator.clientSecret,
      ...passwords,
    ]) {
      expect(child.output()).not.toContain(secret);
    }
  },
);
