import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createBackends, type Backends } from "./testing/fixture.ts";
import { startServer, variablesOf, type ServerProcess } from "./testing/spawn.ts";

let backends: Backends;
const started: ServerProcess[] = [];

beforeAll(async () => {
  backends = await createBackends();
}, 60_000);

afterAll(async () => {
  for (const each of started) each.kill("SIGKILL");
  await Promise.all(started.map((each) => each.ended));
});

function start(changed: Readonly<Record<string, string>> = {}): ServerProcess {
  const { database, emulator } = backends;
  const server = startServer({ ...variablesOf(database.urls, emulator), ...changed });
  started.push(server);
  return server;
}

async function readiness(server: ServerProcess): Promise<{ status: string; infisical: string }> {
  const response = await fetch(`${await server.url()}/readyz`);
  const report: unknown = await response.json();
  const text = JSON.stringify(report);
  const of = (name: string) => new RegExp(`"${name}":"([^"]+)"`).exec(text)?.[1] ?? "";
  return { status: of("status"), infisical: of("infisical") };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries += 1) {
    if (tries > 200) throw new Error("it did not come to hold");
    await sleep(100);
  }
}

const linesOf = (server: ServerProcess, pattern: RegExp) =>
  server
    .output()
    .split("\n")
    .filter((line) => pattern.test(line));

it("the log names each right that the machine identity lacks, and /readyz says it", async () => {
  const rights = [
    { on: "secrets", actions: ["describeSecret", "readValue"], path: "/hono-api" },
    { on: "secrets", actions: ["describeSecret", "readValue"], path: "/tenants/*" },
  ] as const;
  const identity = await backends.emulator.addIdentity({ rights });
  const server = start({
    INFISICAL_CLIENT_ID: identity.clientId,
    INFISICAL_CLIENT_SECRET: identity.clientSecret,
  });
  const denial = /"level":"error".*may not create folders in \/tenants/;
  await server.says(denial);
  await until(async () => (await readiness(server)).status === "degraded");
  expect((await readiness(server)).infisical).toContain("may not create folders in /tenants");
  expect(linesOf(server, denial)).toHaveLength(1);
});

it("an outage of Infisical is one line when it begins and one when it ends", async () => {
  const server = start();
  await server.says(/Infisical lets this service do what it needs/);
  await until(async () => (await readiness(server)).status === "ready");
  backends.emulator.faults.add({ kind: "answer", status: 500 }, { times: 9_999, path: /folders|secrets/ });
  await until(async () => (await readiness(server)).status === "degraded");
  await until(async () => (await readiness(server)).infisical.includes("is left alone"));
  backends.emulator.faults.clear();
  await until(async () => (await readiness(server)).status === "ready");
  expect(linesOf(server, /"level":"error".*Infisical failed to handle the request/)).toHaveLength(1);
  expect(linesOf(server, /"level":"info".*Infisical answers again; the outage lasted/)).toHaveLength(1);
  expect(linesOf(server, /"level":"(?:warn|error|fatal)"/)).toHaveLength(1);
});

it("a wrong client secret is said once, with its variable, and tried once", async () => {
  const logIns = () => backends.emulator.requests().filter(({ path }) => path.endsWith("/login")).length;
  const before = logIns();
  const server = start({ INFISICAL_CLIENT_SECRET: "fake-wrong-secret" });
  await server.says(/"level":"error".*INFISICAL_CLIENT_SECRET/);
  for (let i = 0; i < 5; i += 1) {
    await sleep(300);
    expect((await readiness(server)).infisical).toContain("INFISICAL_CLIENT_SECRET");
  }
  expect(linesOf(server, /"level":"error"/)).toHaveLength(1);
  expect(logIns() - before).toBe(1);
  expect(server.output()).not.toContain("fake-wrong-secret");
});

it("an address of Infisical that is not accepted is refused with its variable, and with what allows it", async () => {
  const inCluster = { INFISICAL_SITE_URL: "http://infisical.invalid:8080" };
  const refused = start(inCluster);
  expect(await refused.ended).toBe(1);
  expect(linesOf(refused, /"level":"fatal".*INFISICAL_SITE_URL.*INFISICAL_ALLOW_HTTP=true/)).toHaveLength(1);
  const allowed = start({ ...inCluster, INFISICAL_ALLOW_HTTP: "true" });
  await allowed.says(/"level":"error".*could not be reached; check INFISICAL_SITE_URL/);
});
