import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startLocalSendgrid, type LocalSendgrid } from "./sendgrid.ts";
import { call } from "./testing.ts";

let sendgrid: LocalSendgrid;
let manager: ReturnType<LocalSendgrid["addKey"]>;

beforeEach(async () => {
  sendgrid = await startLocalSendgrid();
  manager = sendgrid.addKey({ name: "of a person" });
});
afterEach(() => sendgrid.stop());

const create = async (name = "fake-marker-1", scopes: readonly string[] = ["mail.send"]) => {
  const { status, body } = await call(sendgrid, "POST /v3/api_keys", {
    key: manager.value,
    json: { name, scopes },
  });
  return { status, id: String(body?.["api_key_id"]), key: String(body?.["api_key"]), body };
};
const remove = (id: string) => call(sendgrid, `DELETE /v3/api_keys/${id}`, { key: manager.value });
const scopesOf = async (key: string) => {
  const { status, body } = await call(sendgrid, "GET /v3/scopes", { key });
  return status === 200 ? body?.["scopes"] : status;
};

describe("the local SendGrid", () => {
  test("creates a key that is accepted, listed, found by its id, and deleted", async () => {
    const created = await create();
    expect(created.status).toBe(201);
    expect(created.key).toMatch(/^SG\.fake_[\w-]{17}\.fake_[\w-]{38}$/);
    expect(created.key).not.toContain(created.id);
    const scopes = ["mail.send", "2fa_required", "sender_verification_eligible"];
    expect(created.body).toMatchObject({ name: "fake-marker-1", scopes });
    expect(await scopesOf(created.key)).toEqual(scopes);
    const listed = await call(sendgrid, "GET /v3/api_keys", { key: manager.value });
    expect(listed.body).toEqual({
      result: [
        { name: "of a person", api_key_id: manager.id },
        { name: "fake-marker-1", api_key_id: created.id },
      ],
    });
    const found = await call(sendgrid, `GET /v3/api_keys/${created.id}`, { key: manager.value });
    expect(found.body).toEqual({ name: "fake-marker-1", api_key_id: created.id, scopes });
    expect((await remove(created.id)).status).toBe(204);
    expect(await scopesOf(created.key)).toBe(401);
    expect((await remove(created.id)).status).toBe(404);
    const gone = await call(sendgrid, `GET /v3/api_keys/${created.id}`, { key: manager.value });
    expect(gone.status).toBe(404);
  });

  test("refuses unknown keys, and those that a person deleted", async () => {
    expect(await scopesOf("SG.fake_unknown.fake_sendgrid_key_0001")).toBe(401);
    expect((await call(sendgrid, "GET /v3/scopes")).status).toBe(401);
    sendgrid.deleteKey(manager.id);
    expect(await scopesOf(manager.value)).toBe(401);
  });

  test("lets a key do what its scopes say, and give no more than it has", async () => {
    const { key, id } = await create();
    expect((await call(sendgrid, "GET /v3/api_keys", { key })).status).toBe(403);
    expect((await call(sendgrid, `GET /v3/api_keys/${id}`, { key })).status).toBe(403);
    expect((await call(sendgrid, "POST /v3/api_keys", { key, json: { name: "x" } })).status).toBe(403);
    expect((await call(sendgrid, `DELETE /v3/api_keys/${id}`, { key })).status).toBe(403);
    expect((await create("x", ["billing.read"])).status).toBe(400);
    expect((await create("x", ["mail.send", "2fa_required"])).status).toBe(400);
    expect((await create("", ["mail.send"])).status).toBe(400);
  });

  test("keeps accounts apart", async () => {
    const { id } = await create();
    const other = sendgrid.addKey({ name: "of another account", account: "fake_other" });
    const listed = await call(sendgrid, "GET /v3/api_keys?limit=5", { key: other.value });
    expect(listed.body).toEqual({ result: [{ name: "of another account", api_key_id: other.id }] });
    expect((await call(sendgrid, `GET /v3/api_keys/${id}`, { key: other.value })).status).toBe(404);
    expect((await call(sendgrid, `DELETE /v3/api_keys/${id}`, { key: other.value })).status).toBe(404);
    expect(sendgrid.liveCredentials()).toHaveLength(3);
  });

  test("creates a hundred keys in an account, and no more", async () => {
    const added = Array.from({ length: 99 }, (_, no) => sendgrid.addKey({ name: `fake-${no}` }));
    sendgrid.addKey({ name: "of another account", account: "fake_other" });
    expect((await create()).status).toBe(403);
    expect((await remove(String(added[0]?.id))).status).toBe(204);
    expect((await create()).status).toBe(201);
    expect((await create()).status).toBe(403);
  });

  test("says which keys are alive, by a fingerprint in place of the value", async () => {
    const { id, key } = await create();
    const fingerprint = createHash("sha256").update(key).digest("hex");
    expect(sendgrid.liveCredentials()).toContainEqual({ id, name: "fake-marker-1", fingerprint });
    expect(JSON.stringify(sendgrid.liveCredentials())).not.toContain(key);
    await remove(id);
    expect(sendgrid.liveCredentials().map(({ name }) => name)).toEqual(["of a person"]);
  });

  test("adopts the keys of an earlier start where it is told to, until they are deleted", async () => {
    await sendgrid.stop();
    sendgrid = await startLocalSendgrid({ adoptsKeys: true });
    const key = "SG.fake_acmecorp.fake_sendgrid_key_0001";
    expect(await scopesOf(key)).toContain("api_keys.create");
    expect(await scopesOf("SG.fake_revoked.fake_sendgrid_key_0001")).toBe(401);
    expect(await scopesOf("sk_test_fake_acmecorp_0001")).toBe(401);
    const [adopted, ...others] = sendgrid.liveCredentials();
    expect(others).toEqual([]);
    sendgrid.deleteKey(String(adopted?.id));
    expect(await scopesOf(key)).toBe(401);
  });
});

describe("a fault of credentials", () => {
  test("refuses a new key for so many calls", async () => {
    sendgrid.faults.add({ fault: "propagation", for: { calls: 2 } });
    const { key } = await create();
    expect([await scopesOf(key), await scopesOf(key)]).toEqual([401, 401]);
    expect(await scopesOf(key)).toContain("mail.send");
    expect(await scopesOf((await create()).key)).toContain("mail.send");
  });

  test("refuses a new key for a while", async () => {
    sendgrid.faults.add({ fault: "propagation", for: { ms: 1000 } });
    const { key } = await create();
    expect(await scopesOf(key)).toBe(401);
    await expect.poll(() => scopesOf(key), { timeout: 60_000 }).toContain("mail.send");
  });

  test("accepts a deleted key for so many calls, and no longer lists it", async () => {
    const { key, id } = await create();
    sendgrid.faults.add({ fault: "slowDeletion", for: { calls: 2 } });
    expect((await remove(id)).status).toBe(204);
    expect((await remove(id)).status).toBe(404);
    expect(sendgrid.liveCredentials()).toHaveLength(1);
    expect(await scopesOf(key)).toContain("mail.send");
    expect(await scopesOf(key)).toContain("mail.send");
    expect(await scopesOf(key)).toBe(401);
  });

  test("is not met by what a person does", async () => {
    sendgrid.faults.add({ fault: "propagation", for: { calls: 1 } });
    sendgrid.faults.add({ fault: "breakNew" });
    sendgrid.faults.add({ fault: "slowDeletion", for: { calls: 1 } });
    const { id, value } = sendgrid.addKey({ name: "of a person" });
    expect(await scopesOf(value)).toContain("mail.send");
    sendgrid.deleteKey(id);
    expect(await scopesOf(value)).toBe(401);
    expect(sendgrid.faults.open()).toHaveLength(3);
  });

  test("accepts a deleted key for a while", async () => {
    const { key, id } = await create();
    sendgrid.faults.add({ fault: "slowDeletion", for: { ms: 1000 } });
    await remove(id);
    expect(await scopesOf(key)).toContain("mail.send");
    await expect.poll(() => scopesOf(key), { timeout: 60_000 }).toBe(401);
  });

  test("accepts a new key for so many calls, and revokes it then", async () => {
    sendgrid.faults.add({ fault: "breakNew", for: { calls: 1 } });
    const { key, id } = await create();
    expect(await scopesOf(key)).toContain("mail.send");
    expect(sendgrid.liveCredentials()).toHaveLength(2);
    expect([await scopesOf(key), await scopesOf(key)]).toEqual([401, 401]);
    expect(sendgrid.liveCredentials()).toHaveLength(1);
    expect((await remove(id)).status).toBe(404);
  });

  test("creates no key over a limit of its own", async () => {
    sendgrid.faults.add({ fault: "limit", credentials: 2, times: 2 });
    expect((await create()).status).toBe(201);
    expect((await create()).status).toBe(403);
    expect((await create()).status).toBe(201);
  });

  test("creates a key and answers an empty one", async () => {
    sendgrid.faults.add({ fault: "emptyKey" });
    const { status, key, id } = await create();
    expect([status, key]).toEqual([201, ""]);
    expect(sendgrid.liveCredentials().map((live) => live.id)).toContain(id);
  });

  test("creates a key in another account, which does not list it", async () => {
    sendgrid.faults.add({ fault: "otherAccount" });
    const { key, id } = await create();
    expect(await scopesOf(key)).toContain("mail.send");
    expect((await remove(id)).status).toBe(404);
  });
});
