import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase, migrateDatabase, provisionDatabase, type DatabaseUrls } from "@repo/db";
import { faultNames, startFaultyPostgres, type FaultyPostgres } from "@repo/db/faults";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator, type InfisicalEmulator } from "@repo/infisical/emulator";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createTenantSecrets } from "@repo/tenant-secrets";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { send, sendJson, type Answer } from "./testing/raw-http.ts";
import { operator } from "./testing/fixture.ts";
import { startServer, variablesOf, type ServerProcess } from "./testing/spawn.ts";

// One API process survives every kind of outage of its database. Its deadlines are short, so that what waits
// for them does not wait for long.
const deadlineMs = 1000;
const heldMs = 1400;
const recoveryMs = 5000;
const company = "acmecorp";

let dataDir: string;
let postgres: FaultyPostgres;
let urls: DatabaseUrls;
let emulator: InfisicalEmulator;
let api: ServerProcess;
let url: string;
let credential: string;

beforeAll(async () => {
  dataDir = mkdtempSync(path.join(tmpdir(), "outages-"));
  const database = "outages";
  const applicationUrl = () => urls.application;
  [postgres, emulator] = await Promise.all([
    startFaultyPostgres({ dataDir, database, applicationUrl }),
    startInfisicalEmulator(),
  ]);
  urls = await provisionDatabase({ superuserUrl: postgres.superuserUrl, database });
  await migrateDatabase(urls.migration);
  const infisical = createInfisicalClient({ ...emulator, environment: "dev" });
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomBytes(32).toString("hex"));
  const connection = connectDatabase({ applicationUrl: urls.application, maintenanceUrl: urls.maintenance });
  const secrets = createTenantSecrets({
    database: connection,
    infisical,
    catalog: deliveryChatCatalog,
    cache: false,
  });
  await secrets.admin.companies.create(operator, { subdomain: company, secretStore: "database" });
  const made = await secrets.admin.apiKeys.create(operator, {
    name: "test",
    companies: [company],
    platform: false,
    verbs: ["describe", "use", "write"],
    secretKeys: ["*"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  credential = made.apiKey;
  await secrets.stop();
  await connection.close();
  await asSuperuser(
    "alter role tenant_secrets_application in database outages set statement_timeout = '2s'; alter role tenant_secrets_application in database outages set lock_timeout = '800ms'",
  );
  api = startServer({
    ...variablesOf(urls, emulator),
    DATABASE_DEADLINE_MS: String(deadlineMs),
    RATE_LIMIT_REFUSALS_PER_MINUTE: "100000",
  });
  url = await api.url();
  await api.says(/ready: /);
}, 60_000);

afterAll(async () => {
  api.kill("SIGKILL");
  await api.ended;
  await Promise.all([emulator.stop(), postgres.stop()]);
  rmSync(dataDir, { recursive: true, force: true });
});

async function asSuperuser(statements: string): Promise<Record<string, unknown>[]> {
  const inside = postgres.superuserUrl.replace(/postgres$/, "outages");
  const connection = connectDatabase({ applicationUrl: inside, maintenanceUrl: inside });
  try {
    return await connection.outsideCompanies((sql) => sql.unsafe(statements));
  } finally {
    await connection.close();
  }
}

/** What a caller was answered, and when. */
interface Seen {
  readonly answer: Answer | undefined;
  readonly at: number;
  readonly waitedMs: number;
}

async function post(procedure: string, input: object): Promise<Seen> {
  const startedAt = performance.now();
  const headers = { authorization: `Bearer ${credential}` };
  const body = { json: { company, ...input } };
  const answer = await sendJson(url, { path: `/trpc/${procedure}`, body, headers }).catch(() => undefined);
  const at = performance.now();
  return { answer, at, waitedMs: at - startedAt };
}

const isServed = ({ answer }: Seen): boolean => answer?.status === 200;
const between = 20;

/** A caller of one secret, from now on until it is stopped. */
interface CallerOfOne {
  readonly seen: readonly Seen[];
  servedSince(at: number): number | undefined;
  stop(): Promise<void>;
}

function startCalling(turn: (seen: Seen[]) => Promise<void>): CallerOfOne {
  const seen: Seen[] = [];
  const stopping = new AbortController();
  const ended = (async () => {
    for (; !stopping.signal.aborted; await sleep(between)) await turn(seen);
  })();
  return {
    seen,
    servedSince: (since) => seen.find((one) => one.at > since && isServed(one))?.at,
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
}

/** Writes one version after another, and asks for each with the same request id until it is told that it is there. */
function startWriting(secretKey: string, versions: number[]): CallerOfOne {
  return startCalling(async (seen) => {
    const input = { secretKey, value: `fake-${randomUUID()}`, requestId: randomUUID() };
    for (;;) {
      const one = await post("secrets.write", input);
      seen.push(one);
      if (isServed(one)) {
        versions.push(Number(/"version":(\d+)/.exec(one.answer?.body ?? "")?.[1]));
        return;
      }
      await sleep(between);
    }
  });
}

async function writeFirst(secretKey: string): Promise<void> {
  const input = { secretKey, value: "fake-first", requestId: randomUUID() };
  while (!isServed(await post("secrets.write", input))) await sleep(between);
}

function startReading(secretKey: string): CallerOfOne {
  return startCalling(async (seen) => void seen.push(await post("secrets.read", { secretKey })));
}

const described: Readonly<Record<(typeof faultNames)[number], string>> = {
  "stopped in order": "is stopped and started again",
  "stopped at once": "crashes and recovers",
  "backends killed": "loses every connection again and again",
  "too many connections": "has no connection left",
  "disk full": "has a full disk",
  "read-only": "takes no writes",
  frozen: "stands still",
  locked: "is locked by another session",
  "slow to commit": "commits only after the deadline",
};

it.each(faultNames.map((name) => [described[name], name] as const))(
  "while the database %s every call is answered in time, with 200 or 503; soon after all are served, and nothing was written twice",
  { timeout: 180_000 },
  async (_, name) => {
    const prefix = `CUSTOM_${name.toUpperCase().replaceAll(/[^A-Z]/g, "_")}`;
    const secretKeys = ["A", "B", "C"].map((letter) => `${prefix}_${letter}`);
    for (const secretKey of secretKeys) await writeFirst(secretKey);
    const versions = new Map(secretKeys.map((secretKey): [string, number[]] => [secretKey, []]));
    const callers = [...versions].flatMap(([secretKey, made]) => [
      startWriting(secretKey, made),
      startReading(secretKey),
    ]);
    const stop = () => Promise.all(callers.map((caller) => caller.stop()));
    onTestFinished(async () => void (await stop()));

    await postgres.faults[name].begin();
    await sleep(heldMs);
    await postgres.faults[name].end();
    const backAt = performance.now();
    const recovered = () => callers.every((caller) => caller.servedSince(backAt) !== undefined);
    while (performance.now() < backAt + recoveryMs && !recovered()) await sleep(between);
    await stop();

    const seen = callers.flatMap((caller) => caller.seen);
    // The read value is the written one: no late write has stored another.
    for (const { answer } of seen.filter(isServed)) {
      expect(answer?.body).toMatch(/"value":"fake-|"json":\{"version":\d+\}/);
    }
    for (const { answer } of seen) {
      expect([200, 503], answer?.body).toContain(answer?.status);
      if (answer?.status !== 503) continue;
      expect(answer.headers["retry-after"]).toMatch(/^\d+$/);
      expect(answer.body).toMatch(/"retryAfterMs":\d+/);
    }
    expect(seen.some(({ answer }) => answer?.status === 503)).toBe(true);
    // A request asks the database a few times, one after another; after the first that is given up it asks no more.
    expect(Math.max(...seen.map(({ waitedMs }) => waitedMs))).toBeLessThan(2 * deadlineMs + 1000);
    const recoveries = callers.map((caller) => (caller.servedSince(backAt) ?? Infinity) - backAt);
    expect(Math.max(...recoveries)).toBeLessThan(recoveryMs);
    for (const [secretKey, made] of versions) {
      expect(made, secretKey).toEqual(made.map((__, index) => index + 2));
      expect(await storedAndAudited(secretKey), secretKey).toEqual([made.length + 1, made.length + 1]);
    }
    expect((await send(url, { path: "/healthz" })).status).toBe(200);
    readsServed += callers.reduce((sum, { seen: its }) => sum + its.filter(isRead).length, 0);
    console.log(
      `${name}: ${seen.filter(isServed).length} served, ${seen.length - seen.filter(isServed).length} × 503, longest wait ${Math.round(Math.max(...seen.map(({ waitedMs }) => waitedMs)))} ms, all served ${Math.round(Math.max(...recoveries))} ms after`,
    );
  },
);

it(
  "during a database outage a verified API key still reads cached secrets, for longer than five seconds",
  { timeout: 180_000 },
  async () => {
    await writeFirst("CUSTOM_KEPT");
    const read = () => post("secrets.read", { secretKey: "CUSTOM_KEPT" });
    // The write's invalidation has arrived by then, so later reads are cached.
    await sleep(1000);
    const before = await read();
    expect(isServed(before)).toBe(true);
    readsServed += 1;
    const checkedAt = performance.now();
    await postgres.faults["stopped at once"].begin();
    const seen: Seen[] = [];
    while (performance.now() < checkedAt + 8000) {
      seen.push(await read());
      await sleep(between);
    }
    const unknown = await post("secrets.read", { secretKey: "CUSTOM_NOT_KEPT" });
    const written = await post("secrets.write", { secretKey: "CUSTOM_KEPT", value: "fake-second" });
    await postgres.faults["stopped at once"].end();
    const served = seen.filter(isServed);
    readsServed += served.length;
    expect(served.filter(({ at }) => at > checkedAt + 5500).length).toBeGreaterThan(10);
    expect([unknown.answer?.status, written.answer?.status]).toEqual([503, 503]);
    while (!isServed(await read())) await sleep(between);
    readsServed += 1;
  },
);

let readsServed = 0;
const isRead = (one: Seen): boolean =>
  isServed(one) && (one.answer?.body.includes('"value":"fake-') ?? false);

/** How many versions of a secret there are, and how many writes of it are in the audit log. */
async function storedAndAudited(secretKey: string): Promise<number[]> {
  const [row] = await asSuperuser(`select
    (select count(*)::int from company_secret_versions where secret_key = '${secretKey}') as stored,
    (select count(*)::int from audit_events where secret_key = '${secretKey}' and action = 'secret.write'
       and outcome = 'success' and reason is null) as recorded`);
  return [Number(row?.["stored"]), Number(row?.["recorded"])];
}

it(
  "after all of it the same process is ready, hears of changes, stops in order, and has every read in the audit log that it served",
  { timeout: 180_000 },
  async () => {
    let report: unknown;
    for (let status = 0; status !== 200 || !/"ready"/.test(String(report)); await sleep(200)) {
      ({ status, body: report } = await send(url, { path: "/readyz" }));
    }
    api.kill("SIGTERM");
    expect(await api.ended).toBe(0);
    expect(api.output()).not.toMatch(/"level":"fatal"|\n +at /);
    const [row] = await asSuperuser(
      "select sum(count)::int as reads from audit_events where action = 'secret.read' and outcome = 'success'",
    );
    expect(row?.["reads"]).toBe(readsServed);
  },
);
