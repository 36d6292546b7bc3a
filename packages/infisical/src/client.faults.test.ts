import { expect, test, vi } from "vitest";
import type { InfisicalClient } from "./client.ts";
import type { Fault } from "./emulator/index.ts";
import {
  business,
  calls,
  count,
  failureOf,
  generations,
  login,
  name,
  path,
  reads,
  startFixture,
  value,
  writes,
} from "./testing/fixture.ts";

// Real time passes here; a busy machine may take its own on top.
vi.setConfig({ testTimeout: 20_000 });

test.concurrent.for(
  [
    ...calls.map(([title, call]) => ({ title, call, target: business })),
    { title: "the log-in", call: (client: InfisicalClient) => client.ping(), target: login },
  ].flatMap((item) => [
    { ...item, kind: "stalled-headers" as const },
    { ...item, kind: "stalled-body" as const },
  ]),
)("keeps its deadline at $kind during $title", async ({ call, target, kind }) => {
  await using fixture = await startFixture();
  const client = fixture.clientWith({ deadlineMs: 500 });
  await fixture.client.putSecret(path, name, value);
  fixture.emulator.faults.add({ kind }, { times: 9, path: target });
  const startedAt = performance.now();
  const { code } = await failureOf(call(client));
  // The SDK alone would wait for 10 s at the least. On an idle machine this ends at once.
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  expect(["TIMEOUT", "AMBIGUOUS"]).toContain(code);
});

test.concurrent("waits out a rate limit that fits into the deadline", async () => {
  await using fixture = await startFixture();
  await fixture.client.putSecret(path, name, value);
  for (const [, call] of [...Object.entries(reads), ...Object.entries(writes).toReversed()]) {
    // The SDK waits for a second after a 429, so reads meet the older server's way to say it, which it hands on.
    fixture.emulator.faults.add(
      { kind: "answer", status: 500, headers: { "retry-after": "0" } },
      { path: business },
    );
    await expect(call(fixture.client)).resolves.not.toThrow();
  }
  fixture.emulator.faults.add({ kind: "answer", status: 429 }, { method: "GET" });
  expect(await fixture.client.findSecret(path, "OTHER")).toBeUndefined();
});

test.concurrent.for([429, 500])("reports at once a rate limit beyond the deadline (%i)", async (status) => {
  await using fixture = await startFixture();
  await fixture.client.putSecret(path, name, value);
  const fault: Fault = { kind: "answer", status, headers: { "retry-after": "42" } };
  for (const [, call] of calls) {
    fixture.emulator.faults.add(fault, { times: 99, path: business });
    const client = fixture.clientWith({});
    const startedAt = performance.now();
    expect(await failureOf(call(client))).toMatchObject({ code: "RATE_LIMITED", retryAfterMs: 42_000 });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    fixture.emulator.faults.clear();
  }
});

test.concurrent.for(generations)(
  "reports the rate limit of a server that has one (%s)",
  async (generation) => {
    await using fixture = await startFixture({
      emulator: { generation, requestsPerMinute: 2 },
    });
    await fixture.client.listFolders("/");
    await fixture.client.listFolders("/");
    const error = await failureOf(fixture.client.listFolders("/"));
    expect(error.code).toBe("RATE_LIMITED");
    expect(error.retryAfterMs).toBeGreaterThan(50_000);
  },
);

test.concurrent("tells a server that is not there from one that does not answer", async () => {
  await using fixture = await startFixture({ client: { deadlineMs: 1_500 } });
  const idle = fixture.clientWith({});
  await fixture.client.ping();
  await fixture.emulator.stop();
  const failures = await Promise.all(
    calls.flatMap(([, call]) => [failureOf(call(idle)), failureOf(call(fixture.client))]),
  );
  expect(failures.map(({ code }) => code)).toEqual(failures.map(() => "UNREACHABLE"));
});

test.concurrent("keeps no more requests in flight than it may, and all of them are answered", async () => {
  let most = 0;
  await using fixture = await startFixture({
    client: { maxConcurrency: 3 },
    emulator: {
      onRequest: () => {
        most = Math.max(most, 1 + fixture.emulator.requests().filter(({ status }) => status === 0).length);
      },
    },
  });
  fixture.emulator.faults.add({ kind: "delay", durationMs: 50 }, { times: 99 });
  await Promise.all(
    Array.from({ length: 15 }, (_, index) =>
      index % 2 === 0
        ? fixture.client.findSecret(path, name)
        : fixture.client.putSecret(path, `KEY_${index}`, value),
    ),
  );
  expect(most).toBeLessThanOrEqual(3);
  expect(most).toBeGreaterThan(1);
});

test.concurrent("a request that exceeded its deadline keeps its slot until it ends", async () => {
  await using fixture = await startFixture({ client: { maxConcurrency: 1, deadlineMs: 1_000 } });
  await fixture.client.ping();
  fixture.emulator.faults.add({ kind: "delay", durationMs: 2_500 }, { path: /secrets/ });
  for (const _ of [1, 2]) expect((await failureOf(fixture.client.listSecrets(path))).code).toBe("TIMEOUT");
  expect(count(fixture, "GET", /secrets/)).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(await fixture.client.listSecrets(path)).toEqual([]);
});
