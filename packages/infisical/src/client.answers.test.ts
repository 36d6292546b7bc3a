import { once } from "node:events";
import { createServer } from "node:http";
import { expect, test, vi } from "vitest";
import type { Fault } from "./emulator/index.ts";
import {
  business,
  calls,
  failureOf,
  html,
  login,
  name,
  path,
  reads,
  startFixture,
  value,
} from "./testing/fixture.ts";

// Real time passes here; a busy machine may take its own on top.
vi.setConfig({ testTimeout: 20_000 });

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

test("the client rejects every response that is not exactly about its request", async () => {
  await using fixture = await startFixture();
  const { client, emulator } = fixture;
  const fitting = (item: unknown): unknown =>
    JSON.parse(JSON.stringify(item).replace("PROJECT", emulator.projectId));
  const answered = async (body: unknown, call: () => Promise<unknown>) => {
    emulator.faults.add({ kind: "answer", status: 200, body }, { method: "GET", path: business });
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
      fixture.emulator.faults.add({ kind: "answer", status: 404, body }, { path: business });
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
    fixture.emulator.faults.add(fault, { path: business });
    expect((await failureOf(call(fixture.client))).code).toBe("INVALID_RESPONSE");
  }
  fixture.emulator.faults.add(fault, { times: 99 });
  expect((await failureOf(fixture.clientWith({}).ping())).code).toBe("INVALID_RESPONSE");
  expect(seen.join("\n")).not.toMatch(/bearer|clientSecret|sk_test_fake/i);
  thief.close();
  thief.closeAllConnections();
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
