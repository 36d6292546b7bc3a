import { expect, test, vi } from "vitest";
import type { BulkClient, EachRequest } from "./bulk.ts";
import type { Fault } from "./emulator/index.ts";
import type { InfisicalCall } from "./observation.ts";
import { count, failureOf, generations, login, name, path, startFixture, value } from "./testing/fixture.ts";

// Real time passes here; a busy machine may take its own on top.
vi.setConfig({ testTimeout: 90_000 });

const bulkCalls: Readonly<Record<string, (bulk: BulkClient) => Promise<unknown>>> = {
  survey: (bulk) => bulk.survey(path),
  surveySummaries: (bulk) => bulk.surveySummaries(path),
  countImports: (bulk) => bulk.countImports(path),
  listFoldersBelow: (bulk) => bulk.listFoldersBelow("/tenants"),
  findSecret: (bulk) => bulk.findSecret(path, name),
  putSecret: (bulk) => bulk.putSecret(path, name, value),
};
const folderReads = Object.entries(bulkCalls).slice(0, 4);
const any = /folders|secret/;
const limited: Fault = { kind: "answer", status: 429, headers: { "retry-after": "20" } };

test.for(generations)(
  "a rate limit that bulk calls meet is told at once, refuses them alone, and leaves live reads to go on: %s",
  async (generation) => {
    await using fixture = await startFixture({ emulator: { generation } });
    const { client, emulator } = fixture;
    await client.putSecret(path, name, value);
    for (const [title, call] of folderReads) {
      const bulk = client.bulk();
      await bulk.findSecret(path, name);
      emulator.faults.add(generation === "older" ? { ...limited, status: 500 } : limited, {
        method: "GET",
        path: any,
      });
      const startedAt = performance.now();
      const told = await failureOf(call(bulk));
      expect([title, told.code, told.retryAfterMs, told.isOwnLimit]).toEqual([
        title,
        "RATE_LIMITED",
        20_000,
        undefined,
      ]);
      expect(performance.now() - startedAt).toBeLessThan(10_000);
      const before = emulator.requests().length;
      for (const [, other] of Object.entries(bulkCalls)) {
        const refused = await failureOf(other(bulk));
        expect(refused.code).toBe("RATE_LIMITED");
        expect(refused.retryAfterMs).toBeGreaterThan(0);
      }
      expect(emulator.requests()).toHaveLength(before);
      expect([bulk.state(), client.state(), client.troubles()]).toEqual(["open", "closed", []]);
      expect(await client.findSecret(path, name)).toMatchObject({ value });
      expect(await client.listSecrets(path)).toHaveLength(1);
    }
  },
);

test("a breaker that bulk calls have opened is theirs alone, and so is that of live calls", async () => {
  await using fixture = await startFixture();
  const { emulator } = fixture;
  const client = fixture.clientWith({ maxFailures: 2 });
  await client.putSecret(path, name, value);
  const bulk = client.bulk({ maxFailures: 2, coolDownMs: 60_000 });
  emulator.faults.add({ kind: "answer", status: 500 }, { times: 2, path: any });
  for (const _ of [1, 2]) expect((await failureOf(bulk.survey(path))).code).toBe("SERVER_ERROR");
  expect((await failureOf(bulk.survey(path))).code).toBe("UNREACHABLE");
  expect([bulk.state(), client.state(), client.troubles()]).toEqual(["open", "closed", []]);
  expect(await client.findSecret(path, name)).toMatchObject({ value });

  const another = client.bulk();
  emulator.faults.add({ kind: "answer", status: 500 }, { times: 2, path: any });
  for (const _ of [1, 2]) await failureOf(client.findSecret(path, name));
  expect(client.state()).toBe("open");
  expect((await another.survey(path))?.rows).toHaveLength(1);
});

test("bulk calls that hang take no connection of live calls, and have two at once themselves", async () => {
  await using fixture = await startFixture();
  const { emulator } = fixture;
  const client = fixture.clientWith({ deadlineMs: 30_000 });
  await client.putSecret(path, name, value);
  const bulk = client.bulk({ deadlineMs: 10_000 });
  await bulk.survey(path);
  const before = emulator.requests().length;
  emulator.faults.add({ kind: "stalled-headers" }, { times: 2, path: /secrets/ });
  let hasEnded = false;
  const hanging = Array.from({ length: 20 }, () =>
    failureOf(bulk.survey(path)).finally(() => (hasEnded = true)),
  );
  await vi.waitFor(() => expect(emulator.requests().length).toBe(before + 2), 60_000);
  await Promise.all(Array.from({ length: 20 }, (_, i) => client.findSecret(`/tenants/company-${i}`, name)));
  expect(hasEnded).toBe(false);
  expect(emulator.requests().length).toBe(before + 22);
  expect(new Set((await Promise.all(hanging)).map(({ code }) => code))).toEqual(new Set(["TIMEOUT"]));
});

test("a bulk call has 30 s, where a live one has 5", async () => {
  await using fixture = await startFixture();
  const { client, emulator } = fixture;
  await client.putSecret(path, name, value);
  emulator.faults.add({ kind: "delay", durationMs: 6_000 }, { times: 2, path: /raw$/ });
  const [bulk, live] = await Promise.allSettled([client.bulk().survey(path), client.listSecrets(path)]);
  expect(bulk).toMatchObject({ status: "fulfilled", value: { rows: [{ value }] } });
  expect(live).toMatchObject({ status: "rejected", reason: { code: "TIMEOUT" } });
});

test("a log-in that was refused is one pause for both clients", async () => {
  await using fixture = await startFixture();
  const client = fixture.clientWith({ clientSecret: "fake-wrong-secret-of-both" });
  const bulk = client.bulk();
  const failures = [await failureOf(bulk.survey(path)), await failureOf(client.ping())];
  failures.push(await failureOf(client.bulk().survey(path)));
  expect(failures.map(({ code }) => code)).toEqual(["UNAUTHORIZED", "UNAUTHORIZED", "UNAUTHORIZED"]);
  expect(count(fixture, "POST", login)).toBe(1);
});

test("one company may have all of the rate limit but its last tenth, and the user sees what is left", async () => {
  await using fixture = await startFixture({ emulator: { requestsPerMinute: 40 } });
  const { client } = fixture;
  await client.putSecret("/hono-api", name, value);
  const bulk = client.bulk();
  expect(bulk.rate()).toBeUndefined();
  await bulk.survey(path);
  expect(bulk.rate("GET secrets")).toMatchObject({ limit: 40, remaining: 39 });
  for (let i = 1; i < 36; i += 1) await bulk.survey(path);
  expect(bulk.rate("GET secrets")).toMatchObject({ limit: 40, remaining: 4 });
  expect(bulk.rate()).toEqual(bulk.rate("GET secrets"));
  expect(bulk.rate("POST secret")).toBeUndefined();
  for (const at of [path, "/hono-api", "/tenants"]) {
    const refused = await failureOf(bulk.survey(at));
    expect([refused.code, refused.isOwnLimit]).toEqual(["RATE_LIMITED", true]);
    expect(refused.retryAfterMs).toBeLessThanOrEqual(60_000);
  }
  expect(bulk.state()).toBe("closed");
  expect(bulk.rate()?.resetMs).toBeGreaterThan(0);
  // Other routes are counted by themselves.
  expect(await bulk.listFoldersBelow("/tenants")).toEqual([]);
  expect(await client.listSecrets("/hono-api")).toMatchObject([{ value }]);
});

test("a limit that was configured is known before the server has told one", async () => {
  await using fixture = await startFixture({ client: { requestsPerMinute: 10 } });
  const bulk = fixture.client.bulk();
  for (let i = 0; i < 9; i += 1) await bulk.survey(path);
  expect(bulk.rate("GET secrets")).toMatchObject({ limit: 10, remaining: 1 });
  expect(await failureOf(bulk.survey(path))).toMatchObject({ code: "RATE_LIMITED", isOwnLimit: true });
});

test("the user of a walk through folders paces its requests, and repeats one that was refused", async () => {
  await using fixture = await startFixture({ emulator: { generation: "older" } });
  const { client, emulator } = fixture;
  for (const folder of ["a", "b", "c"]) await client.createFolder(`/tenants/${folder}`);
  const bulk = client.bulk();
  await bulk.survey(path);
  const before = emulator.requests().length;
  const seen: number[] = [];
  const each: EachRequest = async (request) => {
    seen.push(emulator.requests().length - before);
    try {
      return await request();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      return request();
    }
  };
  const refused = { kind: "answer", status: 429, headers: { "retry-after": "1" } } as const;
  emulator.faults.add({ kind: "delay", durationMs: 1 }, { times: 2, path: /folders/ });
  emulator.faults.add(refused, { path: /folders/ });
  expect(await bulk.listFoldersBelow("/tenants", { each })).toHaveLength(3);
  expect(seen).toEqual([0, 1, 2, 4]);
});

test("folders with names that no path can have are listed, and not entered", async () => {
  await using fixture = await startFixture({ emulator: { generation: "older" } });
  const { client, emulator } = fixture;
  const folders = ["a/b", "plain", "with.dot"].map((each, index) => ({ id: `id-${index}`, name: each }));
  emulator.faults.add({ kind: "answer", status: 200, body: { folders } }, { path: /folders/ });
  expect(await client.bulk().listFoldersBelow("/tenants")).toEqual([
    { id: "id-0", name: "a/b", path: "/tenants/a/b" },
    { id: "id-1", name: "plain", path: "/tenants/plain" },
    { id: "id-2", name: "with.dot", path: "/tenants/with.dot" },
  ]);
  expect(count(fixture, "GET", /folders/)).toBe(2);
});

test("tells its own listener of its calls, and not that of live calls", async () => {
  const [live, bulk]: InfisicalCall[][] = [[], []];
  await using fixture = await startFixture({ client: { onCall: (call) => live?.push(call) } });
  const client = fixture.client.bulk({ onCall: (call) => bulk?.push(call) });
  for (const [, call] of Object.entries(bulkCalls)) await call(client);
  expect(bulk?.map(({ operation, outcome }) => [operation, outcome])).toEqual(
    Object.keys(bulkCalls).map((title) => [title, "ok"]),
  );
  expect(live).toEqual([]);
});

test("refuses paths, names and options of a wrong form before anything is sent", async () => {
  await using fixture = await startFixture();
  const { client, emulator } = fixture;
  const bulk = client.bulk();
  const failures = [
    bulk.survey("tenants"),
    bulk.surveySummaries("/tenants/../x"),
    bulk.countImports(""),
    bulk.listFoldersBelow("/a b"),
    bulk.putSecret(path, "__proto__", value),
    bulk.putSecret(path, name, ` ${value}`),
  ];
  for (const failure of failures) expect((await failureOf(failure)).code).toBe("INVALID_INPUT");
  expect(() => client.bulk({ maxConcurrency: 0 })).toThrow("options of the bulk client");
  expect(emulator.requests()).toEqual([]);
});
