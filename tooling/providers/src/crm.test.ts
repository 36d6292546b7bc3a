import { afterEach, expect, test } from "vitest";
import { startLocalCrm, type LocalCrm } from "./crm.ts";
import { call } from "./testing.ts";

let crm: LocalCrm;
afterEach(() => crm.stop());

const create = async (key: string, name = "fake-marker-1") => {
  const { status, body } = await call(crm, "POST /keys", { key, json: { name } });
  return { status, id: String(body?.["id"]), key: String(body?.["key"]) };
};
const me = (key: string) => call(crm, "GET /me", { key });
const statusOf = async (request: `${string} /${string}`, key: string) =>
  (await call(crm, request, { key })).status;

test("a key creates another one, which lists both and deletes the first", async () => {
  crm = await startLocalCrm();
  const first = crm.addKey({ name: "of a person" });
  const second = await create(first.value);
  expect(second.status).toBe(201);
  expect(second.key).toMatch(/^crm_fake_[\w-]{32}$/);
  expect((await me(second.key)).body).toEqual({
    account: "fake_account",
    key: { id: second.id, name: "fake-marker-1" },
  });
  expect((await call(crm, "GET /keys", { key: second.key })).body).toEqual({
    keys: [
      { id: first.id, name: "of a person" },
      { id: second.id, name: "fake-marker-1" },
    ],
  });
  expect(await statusOf(`DELETE /keys/${first.id}`, second.key)).toBe(204);
  expect(await statusOf(`DELETE /keys/${first.id}`, second.key)).toBe(404);
  expect((await me(first.value)).status).toBe(401);
  expect(crm.liveCredentials()).toMatchObject([{ id: second.id, name: "fake-marker-1" }]);
  crm.deleteKey(second.id);
  expect((await me(second.key)).status).toBe(401);
});

test("where keys do not manage themselves, the key of a person does", async () => {
  crm = await startLocalCrm({ selfService: false });
  const manager = crm.addKey({ name: "of a person" });
  const { key, id } = await create(manager.value);
  expect((await me(key)).status).toBe(200);
  expect((await create(key)).status).toBe(403);
  expect(await statusOf("GET /keys", key)).toBe(403);
  expect(await statusOf(`DELETE /keys/${id}`, key)).toBe(403);
  expect(await statusOf(`DELETE /keys/${id}`, manager.value)).toBe(204);
});

test("a CRM without a list says no key but the one that it creates", async () => {
  crm = await startLocalCrm({ lists: false });
  const { value } = crm.addKey({ name: "of a person" });
  expect((await create(value)).status).toBe(201);
  expect(await statusOf("GET /keys", value)).toBe(404);
});

test.for([
  ["bearer", (key: string) => ({ authorization: `Bearer ${key}` })],
  ["basic", (key: string) => ({ authorization: `Basic ${btoa(`${key}:`)}` })],
  ["basic", (key: string) => ({ authorization: `Basic ${btoa(`api:${key}`)}` })],
  ["header", (key: string) => ({ "x-api-key": key })],
] as const)("takes a key as %s, and in no other way", async ([auth, headersOf]) => {
  crm = await startLocalCrm({ auth });
  const { value } = crm.addKey({ name: "of a person" });
  const ask = async (headers: Record<string, string>) => (await fetch(`${crm.url}/me`, { headers })).status;
  expect(await ask(headersOf(value))).toBe(200);
  expect(await ask(headersOf("crm_fake_unknown"))).toBe(401);
  expect(await ask({ "x-key": value })).toBe(401);
  expect(await ask({})).toBe(401);
});

test("keeps accounts apart, and refuses a key without a name and other requests", async () => {
  crm = await startLocalCrm();
  const mine = crm.addKey({ name: "a", account: "fake_a" });
  const other = crm.addKey({ name: "b", account: "fake_b" });
  expect(await statusOf(`DELETE /keys/${mine.id}`, other.value)).toBe(404);
  expect((await call(crm, "GET /keys", { key: other.value })).body).toEqual({
    keys: [{ id: other.id, name: "b" }],
  });
  expect((await create(mine.value, "")).status).toBe(400);
  expect(await statusOf("PUT /keys", mine.value)).toBe(404);
});

test("creates no key over a limit, answers an empty one, and one of another account, when it is told to", async () => {
  crm = await startLocalCrm();
  const { value } = crm.addKey({ name: "of a person" });
  crm.faults.add({ fault: "limit", credentials: 1 });
  expect((await create(value)).status).toBe(409);
  crm.faults.add({ fault: "emptyKey" });
  expect(await create(value)).toMatchObject({ status: 201, key: "" });
  crm.faults.add({ fault: "otherAccount" });
  const { key } = await create(value);
  expect((await me(key)).body).toMatchObject({ account: "fake_other_account" });
  expect(crm.liveCredentials()).toHaveLength(3);
});

test("refuses a new key, accepts a deleted one, and revokes a new one, when it is told to", async () => {
  crm = await startLocalCrm();
  const { value } = crm.addKey({ name: "of a person" });
  crm.faults.add({ fault: "propagation", for: { calls: 1 } });
  const { key, id } = await create(value);
  expect([(await me(key)).status, (await me(key)).status]).toEqual([401, 200]);
  crm.faults.add({ fault: "slowDeletion", for: { calls: 1 } });
  await statusOf(`DELETE /keys/${id}`, value);
  expect([(await me(key)).status, (await me(key)).status]).toEqual([200, 401]);
  crm.faults.add({ fault: "breakNew", for: { calls: 1 } });
  const { key: broken } = await create(value);
  expect([(await me(broken)).status, (await me(broken)).status]).toEqual([200, 401]);
});
