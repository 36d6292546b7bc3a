import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createTenantSecretsClient } from "@repo/tenant-secrets/client";
import { afterAll, beforeAll, expect, it } from "vitest";
import { sendJson } from "../testing/raw-http.ts";
import { createBackends, startApi, type Backends } from "../testing/fixture.ts";
import { startServer, variablesOf, type ServerProcess } from "../testing/spawn.ts";

const limit = 20;
const failures = 1500;

let backends: Backends;
let credential: string;
let server: ServerProcess;

beforeAll(async () => {
  backends = await createBackends();
  ({ apiKey: credential } = await backends.apiKey("another-company"));
  server = startServer({
    ...variablesOf(backends.database.urls, backends.emulator),
    MAX_REQUESTS_IN_FLIGHT: String(limit),
    METRICS_PORT: "0",
    RATE_LIMIT_CALLS_PER_SECOND: "100000",
    RATE_LIMIT_COMPANY_CALLS_PER_SECOND: "100000",
  });
});
afterAll(async () => {
  server.kill("SIGKILL");
  await server.ended;
});

interface Outcome {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

/** Requests on separate connections for uncached data, so that they take a while. */
function listAll(url: string, count: number): Promise<Outcome[]> {
  const agent = new Agent({ keepAlive: false });
  const one = (): Promise<Outcome> => {
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    const input = encodeURIComponent(JSON.stringify({ json: { company: "another-company" } }));
    const outgoing = request(new URL(`/trpc/secrets.list?input=${input}`, url), {
      agent,
      headers: { authorization: `Bearer ${credential}` },
    });
    outgoing.on("error", reject).on("response", (incoming) => {
      const retryAfter = incoming.headers["retry-after"];
      text(incoming).then((body) => resolve({ status: incoming.statusCode ?? 0, retryAfter, body }), reject);
    });
    outgoing.end();
    return promise;
  };
  return Promise.all(Array.from({ length: count }, one));
}

async function measured(url: string): Promise<(name: string) => number> {
  const lines = (await (await fetch(`${url}/metrics`)).text()).split("\n");
  return (name) => Number(lines.find((line) => line.startsWith(`${name} `))?.split(" ")[1]);
}

const reasonIn = ({ body }: Outcome): string => /"reason":"([A-Z_]+)"/.exec(body)?.[1] ?? "";

it(
  "answers every request of a flood with 200 or 503, keeps its memory, and serves all again afterwards",
  { timeout: 180_000 },
  async () => {
    const url = await server.url();
    await server.says(/ready: /);
    const metricsUrl = await server.metricsUrl();
    expect((await listAll(url, 5)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    const before = await measured(metricsUrl);

    const outcomes = await listAll(url, failures);

    const refused = outcomes.filter(({ status }) => status === 503);
    expect(outcomes.filter(({ status }) => status !== 200 && status !== 503)).toEqual([]);
    // A machine that is busy enough with the flood may have no time left for the database either.
    const shed = refused.filter((outcome) => reasonIn(outcome) === "OVERLOADED");
    for (const outcome of refused) expect(reasonIn(outcome)).toMatch(/^(?:OVERLOADED|\w+_UNAVAILABLE)$/);
    for (const { retryAfter } of refused) expect(retryAfter).toMatch(/^[12]$/);
    expect(shed.length).toBeGreaterThan(failures / 10);
    expect(outcomes.length - refused.length).toBeGreaterThan(0);
    const after = await measured(metricsUrl);
    expect(after("tenant_secrets_http_requests_shed_total")).toBe(shed.length);
    expect(after("tenant_secrets_http_requests_in_flight")).toBe(0);
    const grown = after("process_resident_memory_bytes") - before("process_resident_memory_bytes");
    expect(grown).toBeLessThan(256 * 1024 * 1024);

    const listOne = async () => (await listAll(url, 1))[0]?.status;
    await expect.poll(listOne, { timeout: 60_000 }).toBe(200);
    for (let i = 0; i < 20; i++) expect(await listOne()).toBe(200);
    console.log(
      `${outcomes.length - refused.length} served, ${refused.length} refused, ${Math.round(grown / 1024 / 1024)} MB more`,
    );
  },
);

it("requests beyond the limit are rejected without a query, in the format of each API, and probes are answered", async () => {
  const { url, metrics } = await startApi({ backends, maxRequestsInFlight: 2 });
  const client = createTenantSecretsClient({ url, credential, catalog: deliveryChatCatalog });
  const company = client.company("another-company");
  await company.get("STRIPE_SECRET_KEY");
  const databaseCalls = async () =>
    (await metrics.text()).match(/^tenant_secrets_database_call.*_count.*$/gm);

  // Bodies that do not come: these requests stay in flight, and ask the database for nothing.
  const stuck = [1, 2].map(() =>
    request(new URL("/api/payments/create", url), {
      method: "POST",
      headers: { "content-type": "application/json", "content-length": "9" },
    }).on("error", () => {}),
  );
  for (const outgoing of stuck) outgoing.flushHeaders();
  while (!/in_flight 2$/m.test(await metrics.text())) await sleep(10);

  await expect(company.get("STRIPE_SECRET_KEY")).rejects.toMatchObject({
    code: "OVERLOADED",
    retryAfterMs: expect.any(Number),
  });
  const refused = await sendJson(url, { path: "/api/payments/create", body: {} });
  expect([refused.status, JSON.parse(refused.body)]).toEqual([
    503,
    {
      error: {
        reason: "OVERLOADED",
        message: "Too much is being asked for at once. Try again in a moment.",
        requestId: refused.headers["x-request-id"],
        retryAfterMs: expect.any(Number),
      },
    },
  ]);
  // The process asks the database for something of its own now and then; not in between every time.
  const askedMeanwhile = async () => {
    const before = await databaseCalls();
    for (let i = 0; i < 3; i++)
      expect((await sendJson(url, { path: "/api/payments/create", body: {} })).status).toBe(503);
    return isDeepStrictEqual(await databaseCalls(), before) ? "nothing" : "something";
  };
  await expect.poll(askedMeanwhile, { timeout: 60_000 }).toBe("nothing");
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);

  for (const outgoing of stuck) outgoing.destroy();
  while (!/in_flight 0$/m.test(await metrics.text())) await sleep(10);
  expect(await company.get("STRIPE_SECRET_KEY")).toBe("sk_test_fake_another_0003");
});
