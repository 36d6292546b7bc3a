import { afterEach, describe, expect, test } from "vitest";
import { startLocalOAuth, type LocalOAuth } from "./oauth.ts";
import { call } from "./testing.ts";

let oauth: LocalOAuth;
afterEach(() => oauth.stop());

async function start() {
  oauth = await startLocalOAuth();
  return { client: oauth.addClient() };
}

describe("the API of client secrets", () => {
  const manage = (request: `${string} /${string}`, json?: unknown) =>
    call(oauth, request, { key: oauth.managementToken, json });
  const works = async (clientId: string, clientSecret: string) => {
    const form = { grant_type: "client_credentials", client_id: clientId, client_secret: clientSecret };
    return (await call(oauth, "POST /oauth/token", { form })).status === 200;
  };

  test("gives a client a second secret beside the first, lists both without values, and deletes one", async () => {
    const { client } = await start();
    const path = `/clients/${client.clientId}/secrets` as const;
    const created = await manage(`POST ${path}`, { name: "fake-marker-1" });
    expect(created.status).toBe(201);
    const { id, client_secret: second } = created.body ?? {};
    expect(second).toMatch(/^cs_fake_/);
    expect([
      await works(client.clientId, client.clientSecret),
      await works(client.clientId, String(second)),
    ]).toEqual([true, true]);
    const listed = await manage(`GET ${path}`);
    expect(JSON.parse(listed.text)).toEqual([
      { id: client.secretId, name: "" },
      { id, name: "fake-marker-1" },
    ]);
    expect((await manage(`POST ${path}`)).status).toBe(400);
    expect((await manage(`DELETE ${path}/${client.secretId}`)).status).toBe(204);
    expect((await manage(`DELETE ${path}/${client.secretId}`)).status).toBe(404);
    expect(await works(client.clientId, client.clientSecret)).toBe(false);
    expect(oauth.liveCredentials()).toMatchObject([{ id, name: "fake-marker-1" }]);
    expect((await manage(`POST ${path}`)).status).toBe(201);
  });

  test("rotates all secrets of a client into one, which may take a while to be accepted", async () => {
    const { client } = await start();
    oauth.faults.add({ fault: "propagation", path: "/clients/*", for: { calls: 1 } });
    const rotated = await manage(`POST /clients/${client.clientId}/rotate-secret`);
    const secret = String(rotated.body?.["client_secret"]);
    expect(await works(client.clientId, client.clientSecret)).toBe(false);
    expect([await works(client.clientId, secret), await works(client.clientId, secret)]).toEqual([
      false,
      true,
    ]);
    expect(oauth.liveCredentials()).toHaveLength(1);
  });

  test("is closed without the management token, and keeps clients apart", async () => {
    const { client } = await start();
    const other = oauth.addClient();
    const path = `/clients/${client.clientId}/secrets` as const;
    expect((await call(oauth, `GET ${path}`)).status).toBe(401);
    expect((await call(oauth, `POST ${path}`, { key: client.clientSecret })).status).toBe(401);
    expect((await manage(`DELETE ${path}/${other.secretId}`)).status).toBe(404);
    expect((await manage("GET /clients/unknown/secrets")).status).toBe(404);
    expect((await manage(`PUT ${path}`)).status).toBe(405);
    expect((await manage(`GET /clients/${client.clientId}`)).status).toBe(404);
    expect(oauth.liveCredentials()).toHaveLength(2);
  });

  test("obeys the faults of credentials", async () => {
    const { client } = await start();
    const path = `/clients/${client.clientId}/secrets` as const;
    oauth.faults.add({ fault: "limit", credentials: 1 });
    expect((await manage(`POST ${path}`)).status).toBe(400);
    oauth.faults.add({ fault: "emptyKey" });
    expect((await manage(`POST ${path}`)).body).toMatchObject({ client_secret: "" });
    oauth.faults.add({ fault: "slowDeletion", for: { calls: 1 } });
    await manage(`DELETE ${path}/${client.secretId}`);
    expect([
      await works(client.clientId, client.clientSecret),
      await works(client.clientId, client.clientSecret),
    ]).toEqual([true, false]);
  });
});
