import { once } from "node:events";
import { createServer } from "node:http";
import { inspect } from "node:util";
import { expect, test, vi } from "vitest";
import type { InfisicalClient } from "./client.ts";
import type { Fault } from "./emulator/index.ts";
import { InfisicalError } from "./errors.ts";
import { failureOf, startFixture } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";

const path = "/tenants/acmecorp";
const name = "STRIPE_SECRET_KEY";
const value = "sk_test_fake_codewiser_0001";
const login = /universal-auth\/login$/;
const html = "<!doctype html><title>Sign in</title>";

const count = ({ emulator }: Fixture, method: string, pattern: RegExp) =>
  emulator.requests().filter((request) => request.method === method && pattern.test(request.path)).length;

const reads: Record<string, (client: InfisicalClient) => Promise<unknown>> = {
  listFolders: (client) => client.listFolders("/tenants"),
  listSecrets: (client) => client.listSecrets(path),
  listSecretSummaries: (client) => client.listSecretSummaries(path),
  findSecret: (client) => client.findSecret(path, name),
  ping: (client) => client.ping(),
};
const writes: Record<string, (client: InfisicalClient) => Promise<unknown>> = {
  createFolder: (client) => client.createFolder(`${path}/new`),
  deleteFolder: (client) => client.deleteFolder(path),
  putSecret: (client) => client.putSecret(path, name, "sk_test_fake_codewiser_0002"),
  deleteSecret: (client) => client.deleteSecret(path, name),
};
const calls = Object.entries({ ...reads, ...writes });

test.for([
  ...calls.map(([title, call]) => ({ title, call, target: /folders|secrets/ })),
  { title: "the log-in", call: calls[0]?.[1], target: login },
])("keeps its deadline when the server goes silent during $title", async ({ call, target }) => {
  await using fixture = await startFixture({ client: { deadlineMs: 300 } });
  await fixture.client.putSecret(path, name, value);
  if (target === login) fixture.emulator.faults.expireTokens();
  for (const kind of ["stalled-headers", "stalled-body"] as const) {
    fixture.emulator.faults.add({ kind }, { times: 9, path: target });
    const startedAt = performance.now();
    const { code } = await failureOf(Promise.resolve(call?.(fixture.client)));
    expect(performance.now() - startedAt).toBeLessThan(800);
    expect(["TIMEOUT", "AMBIGUOUS"]).toContain(code);
    fixture.emulator.faults.clear();
  }
});

test("logs in once for 50 calls at once, and once more when the token is refused", async () => {
  await using fixture = await startFixture();
  const all = () => Promise.all(Array.from({ length: 50 }, () => fixture.client.findSecret(path, name)));
  await all();
  expect(count(fixture, "POST", login)).toBe(1);
  fixture.emulator.faults.expireTokens();
  await all();
  expect(count(fixture, "POST", login)).toBe(2);
});

test("replaces the token before it expires, without a call that fails or waits", async () => {
  await using fixture = await startFixture({ emulator: { tokenTtlMs: 400 } });
  const until = performance.now() + 1_000;
  while (performance.now() < until) {
    await fixture.client.listFolders("/");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(count(fixture, "POST", login)).toBeGreaterThanOrEqual(3);
  expect(count(fixture, "POST", login)).toBeLessThanOrEqual(5);
  expect(fixture.emulator.requests().every(({ status }) => status === 200)).toBe(true);
});

test("logs in anew after it has been idle for longer than a token lives", async () => {
  await using fixture = await startFixture({ emulator: { tokenTtlMs: 50 } });
  await fixture.client.ping();
  await new Promise((resolve) => setTimeout(resolve, 80));
  await fixture.client.ping();
  expect(fixture.emulator.requests().every(({ status }) => status === 200)).toBe(true);
});

test("gives up after one more log-in when the server refuses every token", async () => {
  await using fixture = await startFixture();
  const body = {
    statusCode: 403,
    message: "Your token has expired. Please re-authenticate.",
    error: "TokenError",
  };
  for (const [, call] of calls) {
    fixture.emulator.faults.add(
      { kind: "answer", status: 403, body },
      { times: 99, path: /folders|secrets/ },
    );
    const before = count(fixture, "POST", login);
    expect((await failureOf(call(fixture.client))).code).toBe("UNAUTHORIZED");
    expect(count(fixture, "POST", login) - before).toBeLessThanOrEqual(2);
    fixture.emulator.faults.clear();
  }
});

test.for<{ fault: Fault }>([
  { fault: { kind: "reset", afterApply: true } },
  { fault: { kind: "stalled-headers", afterApply: true } },
  { fault: { kind: "stalled-body" } },
  { fault: { kind: "truncated-body" } },
  { fault: { kind: "answer", status: 500, afterApply: true } },
  { fault: { kind: "answer", status: 504, body: html, afterApply: true } },
  { fault: { kind: "answer", status: 200, body: html, afterApply: true } },
])(
  "settles a write that was applied without a good answer, and sends it once ($fault.kind $fault.status)",
  async ({ fault }) => {
    await using fixture = await startFixture({ client: { deadlineMs: 500 } });
    const { client, emulator } = fixture;
    const once = async (method: string, target: RegExp, call: () => Promise<unknown>) => {
      const before = count(fixture, method, target);
      emulator.faults.add(fault, { method, path: target });
      const result = await call();
      expect(count(fixture, method, target) - before).toBe(1);
      return result;
    };
    await once("POST", /folders/, () => client.createFolder(path));
    expect(await once("POST", /secrets/, () => client.putSecret(path, name, value))).toEqual({
      created: true,
      version: 1,
    });
    const second = await once("PATCH", /secrets/, () =>
      client.putSecret(path, name, "sk_test_fake_codewiser_0002"),
    );
    expect(second).toEqual({ created: false, version: 2 });
    expect(await once("DELETE", /secrets/, () => client.deleteSecret(path, name))).toBe(true);
    await once("DELETE", /folders/, () => client.deleteFolder(path));
    expect(await client.listFolders("/tenants")).toEqual([]);
  },
);

test.for<{ fault: Fault; code: string }>([
  { fault: { kind: "reset" }, code: "AMBIGUOUS" },
  { fault: { kind: "stalled-headers" }, code: "AMBIGUOUS" },
  { fault: { kind: "answer", status: 502, body: html }, code: "AMBIGUOUS" },
  { fault: { kind: "answer", status: 500 }, code: "SERVER_ERROR" },
  { fault: { kind: "answer", status: 200, body: html }, code: "INVALID_RESPONSE" },
  {
    fault: { kind: "answer", status: 403, body: { message: "You are not allowed to edit on secrets" } },
    code: "FORBIDDEN",
  },
])(
  "never repeats a write that left no trace, and says what is known of it: $code",
  async ({ fault, code }) => {
    await using fixture = await startFixture({ client: { deadlineMs: 500 } });
    await fixture.client.putSecret(path, name, value);
    for (const [title, call] of Object.entries(writes)) {
      const [method, target] = targetOf(title);
      const before = count(fixture, method, target);
      fixture.emulator.faults.add(fault, { method, path: target });
      expect((await failureOf(call(fixture.client))).code).toBe(code);
      expect(count(fixture, method, target) - before).toBe(1);
    }
    expect((await fixture.client.findSecret(path, name))?.value).toBe(value);
  },
);

function targetOf(title: string): [string, RegExp] {
  const method = title === "putSecret" ? "PATCH" : title.startsWith("create") ? "POST" : "DELETE";
  return [method, title.endsWith("Folder") ? /folders/ : /secrets/];
}

test("says that a write is ambiguous when the re-read fails as well", async () => {
  await using fixture = await startFixture();
  await fixture.client.putSecret(path, name, value);
  fixture.emulator.faults.add({ kind: "reset", afterApply: true }, { method: "PATCH" });
  fixture.emulator.faults.add({ kind: "answer", status: 500 }, { method: "GET", path: /secrets/ });
  expect((await failureOf(fixture.client.putSecret(path, name, "sk_test_fake_codewiser_0002"))).code).toBe(
    "AMBIGUOUS",
  );
});

test("waits out a rate limit that fits into the deadline", async () => {
  await using fixture = await startFixture();
  await fixture.client.putSecret(path, name, value);
  for (const [, call] of [...Object.entries(reads), ...Object.entries(writes).toReversed()]) {
    // The SDK waits for a second after a 429, so reads meet the older server's way to say it, which it hands on.
    fixture.emulator.faults.add(
      { kind: "answer", status: 500, headers: { "retry-after": "0" } },
      { path: /folders|secrets/ },
    );
    await expect(call(fixture.client)).resolves.not.toThrow();
  }
  fixture.emulator.faults.add({ kind: "answer", status: 429 }, { method: "GET" });
  expect(await fixture.client.findSecret(path, "OTHER")).toBeUndefined();
});

test.for([429, 500])("reports at once a rate limit beyond the deadline (%i)", async (status) => {
  await using fixture = await startFixture();
  await fixture.client.putSecret(path, name, value);
  const fault: Fault = { kind: "answer", status, headers: { "retry-after": "42" } };
  for (const [, call] of calls) {
    fixture.emulator.faults.add(fault, { times: 99, path: /folders|secrets/ });
    const startedAt = performance.now();
    expect(await failureOf(call(fixture.client))).toMatchObject({
      code: "RATE_LIMITED",
      retryAfterMs: 42_000,
    });
    expect(performance.now() - startedAt).toBeLessThan(500);
    fixture.emulator.faults.clear();
  }
});

test("reports the rate limit of a server that counts", async () => {
  await using fixture = await startFixture({
    emulator: { requestsPerMinute: 2 },
    client: { deadlineMs: 300 },
  });
  await fixture.client.listFolders("/");
  await fixture.client.listFolders("/");
  const error = await failureOf(fixture.client.listFolders("/"));
  expect(error.code).toBe("RATE_LIMITED");
  expect(error.retryAfterMs).toBeGreaterThan(50_000);
});

test("tells a server that is not there from one that does not answer", async () => {
  await using fixture = await startFixture({ client: { deadlineMs: 300 } });
  const idle = fixture.clientWith({});
  await fixture.client.ping();
  await fixture.emulator.stop();
  for (const [, call] of calls) {
    expect((await failureOf(call(idle))).code).toBe("UNREACHABLE");
    expect((await failureOf(call(fixture.client))).code).toBe("UNREACHABLE");
  }
}, 10_000);

const secret = {
  workspace: "PROJECT",
  environment: "dev",
  secretKey: name,
  secretValue: value,
  version: 1,
  createdAt: "2026-01-01T00:00:00.000Z",
  updatedAt: "2026-01-01T00:00:00.000Z",
};
const wrongSecrets: unknown[] = [
  null,
  { ...secret, secretValue: null },
  { ...secret, secretValue: 1 },
  { ...secret, version: "1" },
  { ...secret, version: 0 },
  { ...secret, updatedAt: "yesterday" },
  { ...secret, environment: "prod" },
  { ...secret, workspace: "another" },
  { ...secret, secretPath: "/tenants/other" },
];
const garbage: unknown[] = [
  html,
  "",
  "null",
  "[]",
  '{"secret":{"secr',
  {},
  { secrets: null, secret: null, folders: null },
];

test("believes no answer that is not exactly about what was asked", async () => {
  await using fixture = await startFixture();
  const { client, emulator } = fixture;
  const fitting = (item: unknown): unknown =>
    JSON.parse(JSON.stringify(item).replace("PROJECT", emulator.projectId));
  const answered = async (body: unknown, call: () => Promise<unknown>) => {
    emulator.faults.add({ kind: "answer", status: 200, body }, { method: "GET", path: /folders|secrets/ });
    return call();
  };
  await client.ping();
  expect(await answered({ secret: fitting(secret) }, () => client.findSecret(path, name))).toMatchObject({
    value,
  });
  for (const body of garbage) {
    for (const [title, call] of Object.entries(reads)) {
      const failure = await failureOf(answered(body, () => call(client)));
      expect([title, body, failure.code]).toEqual([title, body, "INVALID_RESPONSE"]);
    }
  }
  for (const wrong of wrongSecrets) {
    const item = fitting(wrong);
    for (const call of [
      () => answered({ secret: item }, () => client.findSecret(path, name)),
      () => answered({ secrets: [item] }, () => client.listSecrets(path)),
    ]) {
      expect([item, (await failureOf(call())).code]).toEqual([item, "INVALID_RESPONSE"]);
    }
  }
  const other = { secret: fitting({ ...secret, secretKey: "OTHER" }) };
  expect((await failureOf(answered(other, () => client.findSecret(path, name)))).code).toBe(
    "INVALID_RESPONSE",
  );
  emulator.faults.add({ kind: "answer", status: 200, body: other }, { method: "PATCH" });
  expect((await failureOf(client.putSecret(path, name, value))).code).toBe("INVALID_RESPONSE");
});

test("takes a 404 that is not Infisical's for a wrong address, not for an absence", async () => {
  await using fixture = await startFixture();
  for (const body of [html, { message: "Route GET:/api/v3/secrets/raw not found", error: "Not Found" }]) {
    for (const [, call] of calls) {
      fixture.emulator.faults.add({ kind: "answer", status: 404, body }, { path: /folders|secrets/ });
      expect((await failureOf(call(fixture.client))).code).toBe("INVALID_RESPONSE");
    }
  }
  for (const body of [html, {}, { accessToken: null }]) {
    fixture.emulator.faults.add({ kind: "answer", status: 200, body }, { path: login });
    expect((await failureOf(fixture.clientWith({}).ping())).code).toBe("INVALID_RESPONSE");
  }
});

test("never takes the mask of a hidden value for the value", async () => {
  await using fixture = await startFixture();
  await fixture.client.putSecret(path, name, value);
  for (const call of [fixture.client.findSecret(path, name), fixture.client.listSecrets(path)]) {
    fixture.emulator.faults.add({ kind: "hidden-values" }, { path: /secrets/ });
    expect((await failureOf(call)).code).toBe("FORBIDDEN");
  }
  expect(await fixture.client.listSecretSummaries(path)).toHaveLength(1);
});

test.for([302, 307, 308])("hands no credential to the host that a redirect names (%i)", async (status) => {
  const seen: string[] = [];
  const thief = createServer((request, response) => {
    seen.push(JSON.stringify(request.headers));
    request.on("data", (chunk: Buffer) => seen.push(chunk.toString()));
    request.on("end", () => response.end(JSON.stringify({ secrets: [], folders: [], accessToken: "x" })));
  }).listen(0, "127.0.0.1");
  await once(thief, "listening");
  const address = thief.address();
  const location = `http://localhost:${typeof address === "object" ? address?.port : ""}/`;
  await using fixture = await startFixture();
  const fault: Fault = { kind: "answer", status, headers: { location } };
  await fixture.client.putSecret(path, name, value);
  for (const [, call] of calls) {
    fixture.emulator.faults.add(fault, { path: /folders|secrets/ });
    expect((await failureOf(call(fixture.client))).code).toBe("INVALID_RESPONSE");
  }
  fixture.emulator.faults.add(fault, { times: 99 });
  expect((await failureOf(fixture.clientWith({}).ping())).code).toBe("INVALID_RESPONSE");
  expect(seen.join("\n")).not.toMatch(/bearer|clientSecret|sk_test_fake/i);
  thief.close();
  thief.closeAllConnections();
});

test("says nothing in an error that belongs to a company, a server or a credential, and prints nothing", async () => {
  const written: string[] = [];
  const spies = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, "write").mockImplementation((chunk) => written.push(String(chunk)) > 0),
  );
  const errors: InfisicalError[] = [];
  await using fixture = await startFixture({ client: { deadlineMs: 200 } });
  const { emulator } = fixture;
  await fixture.client.putSecret(path, name, value);
  const answers = [400, 401, 403, 404, 422, 429, 500, 502, 304].map(
    (status) => ({ kind: "answer", status }) as const,
  );
  const echo = { message: `${value} at ${path} of ${emulator.projectId}`, error: emulator.clientSecret };
  const faults: Fault[] = [
    ...answers.flatMap((answer) => [
      answer,
      { ...answer, body: echo },
      { ...answer, headers: { "retry-after": "9" } },
    ]),
    { kind: "reset" },
    { kind: "truncated-body" },
    { kind: "hidden-values" },
  ];
  for (const fault of faults) {
    for (const [, call] of calls) {
      emulator.faults.add(fault, { times: 9, path: /folders|secrets/ });
      await call(fixture.client).catch((error: unknown) => errors.push(asInfisicalError(error)));
      emulator.faults.clear();
    }
    emulator.faults.add(fault, { times: 9, path: login });
    const stranger = fixture.clientWith({ clientSecret: "wrong-fake-secret" });
    errors.push(await failureOf(stranger.ping()));
    emulator.faults.clear();
  }
  for (const bad of ["/tenants/acmecorp/../x", "acmecorp"])
    errors.push(await failureOf(fixture.client.listSecrets(bad)));
  errors.push(await failureOf(fixture.client.putSecret(path, name, ` ${value}`)));
  for (const spy of spies) spy.mockRestore();
  expect(new Set(errors.map(({ code }) => code)).size).toBeGreaterThanOrEqual(7);
  const { clientSecret, projectId, siteUrl } = emulator;
  const forbidden = [
    value,
    "acmecorp",
    projectId,
    clientSecret,
    siteUrl,
    "127.0.0.1",
    "wrong-fake-secret",
    "eyJ",
  ];
  const shown = [
    ...errors.map((error) => inspect(error, { depth: null, showHidden: true })),
    ...written,
  ].join("\n");
  expect(forbidden.filter((text) => shown.includes(text))).toEqual([]);
}, 10_000);

function asInfisicalError(error: unknown): InfisicalError {
  if (error instanceof InfisicalError) return error;
  throw error;
}

test("keeps no more requests in flight than it may, and all of them are answered", async () => {
  let most = 0;
  await using fixture = await startFixture({
    client: { maxConcurrency: 3 },
    emulator: {
      onRequest: () => {
        most = Math.max(most, 1 + fixture.emulator.requests().filter(({ status }) => status === 0).length);
      },
    },
  });
  fixture.emulator.faults.add({ kind: "delay", durationMs: 5 }, { times: 99 });
  await Promise.all(
    Array.from({ length: 15 }, (_, index) =>
      index % 2 === 0
        ? fixture.client.findSecret(path, name)
        : fixture.client.putSecret(path, `KEY_${index}`, value),
    ),
  );
  expect(most).toBe(3);
});

test("counts a request that it gave up on until that has ended", async () => {
  await using fixture = await startFixture({ client: { maxConcurrency: 1, deadlineMs: 100 } });
  await fixture.client.ping();
  fixture.emulator.faults.add({ kind: "delay", durationMs: 300 }, { path: /secrets/ });
  for (const _ of [1, 2]) expect((await failureOf(fixture.client.listSecrets(path))).code).toBe("TIMEOUT");
  expect(count(fixture, "GET", /secrets/)).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await fixture.client.listSecrets(path)).toEqual([]);
});

test("gives a reference back as text though the server would expand it", async () => {
  await using fixture = await startFixture();
  await fixture
    .clientWith({ environment: "prod" })
    .putSecret("/tenants/other", "KEY", "sk_test_fake_other_0001");
  await fixture.client.putSecret(path, name, "${prod.tenants.other.KEY}");
  expect((await fixture.client.findSecret(path, name))?.value).toBe("${prod.tenants.other.KEY}");
  const reading = fixture.emulator
    .requests()
    .filter(({ method, path: at }) => method === "GET" && at.includes("secrets"));
  expect(reading.every(({ query }) => query.includes("expandSecretReferences=false"))).toBe(true);
});

test("explains a refusal of a reference that leads nowhere", async () => {
  await using fixture = await startFixture();
  await fixture.client.putSecret(path, name, value);
  for (const key of [name, "NEW_KEY"]) {
    const error = await failureOf(fixture.client.putSecret(path, key, "${MISSING}"));
    expect(error.code).toBe("INVALID_INPUT");
    expect(error.message).toContain("reference");
  }
});

test("may not enter a project that the identity does not belong to", async () => {
  await using fixture = await startFixture();
  const { clientId, clientSecret } = fixture.emulator.outsider;
  const outsider = fixture.clientWith({ clientId, clientSecret });
  for (const [, call] of calls) expect((await failureOf(call(outsider))).code).toBe("FORBIDDEN");
  await expect(fixture.clientWith(fixture.emulator.outsider).ping()).resolves.toBeUndefined();
});
