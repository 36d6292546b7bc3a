import { expect, test, vi } from "vitest";
import type { InfisicalClient } from "./client.ts";
import { startInfisicalEmulator } from "./emulator/index.ts";
import type { Fault } from "./emulator/index.ts";
import {
  business,
  calls,
  failureOf,
  html,
  login,
  name,
  path,
  startFixture,
  value,
  writes,
} from "./testing/fixture.ts";
import type { Fixture } from "./testing/fixture.ts";

// Real time passes here; a busy machine may take its own on top.
vi.setConfig({ testTimeout: 60_000 });

const impatient = { deadlineMs: 1_500, coolDownMs: 1_000, maxFailures: 2 };
const patient = { coolDownMs: 1_000, maxFailures: 3 };
const answer = (status: number, more: Omit<Extract<Fault, { kind: "answer" }>, "kind" | "status"> = {}) =>
  ({ kind: "answer", status, ...more }) as const;
const outages: { title: string; fault: Fault | "down"; code: string; refusedAs?: string }[] = [
  { title: "not there", fault: "down", code: "UNREACHABLE" },
  { title: "stalled headers", fault: { kind: "stalled-headers" }, code: "TIMEOUT" },
  { title: "stalled bodies", fault: { kind: "stalled-body" }, code: "TIMEOUT" },
  { title: "truncated JSON", fault: { kind: "truncated-body" }, code: "INVALID_RESPONSE" },
  { title: "HTML in place of JSON", fault: answer(200, { body: html }), code: "INVALID_RESPONSE" },
  { title: "a gateway's 502", fault: answer(502, { body: html }), code: "SERVER_ERROR" },
  { title: "429", fault: answer(429), code: "RATE_LIMITED", refusedAs: "RATE_LIMITED" },
  {
    title: "429 with retry-after",
    fault: answer(429, { headers: { "retry-after": "1" } }),
    code: "RATE_LIMITED",
    refusedAs: "RATE_LIMITED",
  },
];

/** Makes the server unavailable. @returns a function that brings it back, at the same address and with the same content */
async function startOutage({ emulator }: Fixture, fault: Fault | "down") {
  if (fault !== "down") {
    emulator.faults.add(fault, { times: 1_000 });
    return async () => {
      emulator.faults.clear();
      return { stop: async () => undefined };
    };
  }
  await emulator.stop();
  const { clientId, clientSecret, projectId, siteUrl } = emulator;
  const port = Number(new URL(siteUrl).port);
  return () => startInfisicalEmulator({ port, clientId, clientSecret, projectId });
}

const msOf = async (work: () => Promise<unknown>) => {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
};
/** Resolves when a call has just been sent to see whether the server is back. */
const probing = (client: InfisicalClient) =>
  vi.waitFor(
    () => {
      client.ping().catch(() => undefined);
      expect(client.state()).toBe("half-open");
    },
    { timeout: 60_000, interval: 20 },
  );
const recovered = (client: InfisicalClient) =>
  vi.waitFor(() => client.listFolders("/"), { timeout: 60_000, interval: 20 });

test.concurrent.for(outages)(
  "fails in time with a typed error, then at once without a request, and recovers by itself: $title",
  async ({ fault, code, refusedAs = "UNREACHABLE" }) => {
    await using fixture = await startFixture({ client: impatient });
    const { client, emulator } = fixture;
    await recovered(client);
    const bringBack = await startOutage(fixture, fault);

    const needed = refusedAs === "RATE_LIMITED" ? 1 : impatient.maxFailures;
    for (const _ of Array(needed)) {
      expect(client.state()).toBe("closed");
      const durationMs = await msOf(async () =>
        expect((await failureOf(client.findSecret(path, name))).code).toBe(code),
      );
      expect(durationMs).toBeLessThan(4_000);
    }
    expect(client.state()).toBe("open");

    const before = emulator.requests().length;
    for (const [title, call] of calls) {
      const refused = await failureOf(call(client));
      expect([title, refused.code]).toEqual([title, refusedAs]);
      expect(refused.retryAfterMs).toBeGreaterThan(0);
      expect(refused.retryAfterMs).toBeLessThanOrEqual(1_000);
    }
    expect(emulator.requests()).toHaveLength(before);

    await probing(client);
    await vi.waitFor(() => expect(client.state()).toBe("open"), 60_000);

    const server = await bringBack();
    expect(await msOf(() => recovered(client))).toBeLessThan(5_000);
    expect(client.state()).toBe("closed");
    await server.stop();
  },
);

test.concurrent.for([
  { kind: "stalled-body", path: business },
  { kind: "stalled-headers", path: business },
  { kind: "stalled-headers", path: login },
] as const)(
  "is not wedged by calls that hang: with its defaults it is back within 5 s ($kind, $path)",
  async ({ kind, path: target }) => {
    await using fixture = await startFixture();
    const client = fixture.clientWith({ maxFailures: 5 });
    if (target === business) await client.ping();
    fixture.emulator.faults.add({ kind }, { times: 1_000, path: target });
    const durationMs = await msOf(() =>
      Promise.all(Array.from({ length: 30 }, () => failureOf(client.listSecrets(path)))),
    );
    expect(durationMs).toBeLessThan(9_000);
    expect(client.state()).toBe("open");
    // The worst moment: a probe has just arrived, and hangs.
    const arrived = () => fixture.emulator.requests().filter((request) => target.test(request.path)).length;
    const before = arrived();
    await probing(client);
    await vi.waitFor(() => expect(arrived()).toBeGreaterThan(before), 60_000);
    fixture.emulator.faults.clear();
    expect(await msOf(() => recovered(client))).toBeLessThan(5_000);
  },
);

test.concurrent("sends one call to look whether the server is back, and refuses the others until it is", async () => {
  await using fixture = await startFixture({ client: patient });
  const { client, emulator } = fixture;
  await client.ping();
  emulator.faults.add(answer(500), { times: 3 });
  for (const _ of Array(3)) await failureOf(client.ping());
  emulator.faults.add({ kind: "delay", durationMs: 400 });
  const before = emulator.requests().length;
  await probing(client);
  const others = await Promise.all(Array.from({ length: 5 }, () => failureOf(client.findSecret(path, name))));
  expect(others.map(({ code, retryAfterMs }) => [code, retryAfterMs])).toEqual(
    others.map(() => ["UNREACHABLE", 1_000]),
  );
  await vi.waitFor(() => expect(client.state()).toBe("closed"), 60_000);
  expect(emulator.requests()).toHaveLength(before + 1);
});

test.concurrent("takes no answer for an outage, and each answer for a sign of life", async () => {
  await using fixture = await startFixture({ client: patient });
  const { client, emulator } = fixture;
  await client.putSecret(path, name, value);
  const { clientId, clientSecret } = emulator.outsider;
  const refused: [InfisicalClient, (client: InfisicalClient) => Promise<unknown>, string][] = [
    [client, () => client.putSecret(path, name, "${MISSING}"), "INVALID_INPUT"],
    [fixture.clientWith({ clientId, clientSecret }), (outsider) => outsider.ping(), "FORBIDDEN"],
    [fixture.clientWith({ projectId: "none" }), (lost) => lost.ping(), "NOT_FOUND"],
    [fixture.clientWith({ clientId: "unknown" }), (stranger) => stranger.ping(), "UNAUTHORIZED"],
  ];
  for (const [who, call, code] of refused) {
    for (const _ of Array(patient.maxFailures)) expect((await failureOf(call(who))).code).toBe(code);
    expect(who.state()).toBe("closed");
  }
  for (const isFailing of [true, true, false, true, true]) {
    if (isFailing) emulator.faults.add(answer(500), { path: business });
    await client.findSecret(path, "MISSING").catch(() => undefined);
  }
  expect(client.state()).toBe("closed");
});

test.concurrent("the client waits for the server's Retry-After, at most a minute", async () => {
  await using fixture = await startFixture({ client: patient });
  const { client, emulator } = fixture;
  await client.ping();
  emulator.faults.add(answer(500, { headers: { "retry-after": "86400" } }), { path: business });
  expect(await failureOf(client.ping())).toMatchObject({ code: "RATE_LIMITED", retryAfterMs: 86_400_000 });
  const refused = await failureOf(client.ping());
  expect(refused.code).toBe("RATE_LIMITED");
  expect(refused.retryAfterMs).toBeGreaterThan(50_000);
  expect(refused.retryAfterMs).toBeLessThanOrEqual(60_000);
});

test.concurrent("leaves a write ambiguous though it opens over it, and sends none while it is open", async () => {
  await using fixture = await startFixture({ client: { ...patient, maxFailures: 1 } });
  for (const [title, write] of Object.entries(writes)) {
    const client = fixture.clientWith({});
    await client.putSecret(path, name, value);
    const [method, target] =
      title === "putSecret"
        ? (["PATCH", /secrets/] as const)
        : ([title.startsWith("create") ? "POST" : "DELETE", business] as const);
    fixture.emulator.faults.add({ kind: "reset" }, { method, path: target });
    expect([title, (await failureOf(write(client))).code]).toEqual([title, "AMBIGUOUS"]);
    expect(client.state()).toBe("open");
    const before = fixture.emulator.requests().length;
    expect((await failureOf(write(client))).code).toBe("UNREACHABLE");
    expect(fixture.emulator.requests()).toHaveLength(before);
  }
});
