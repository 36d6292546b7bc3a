import { createHash } from "node:crypto";
import {
  allowInsecureRequests,
  clientCredentialsGrant,
  ClientSecretBasic,
  ClientSecretPost,
  discovery,
  refreshTokenGrant,
  tokenIntrospection,
  tokenRevocation,
} from "openid-client";
import { afterEach, describe, expect, test } from "vitest";
import { startLocalOAuth, type LocalOAuth } from "./oauth.ts";
import { call } from "./testing.ts";

let oauth: LocalOAuth;
afterEach(() => oauth.stop());

const me = (key: string) => call(oauth, "GET /me", { key });

/** As `openid-client` does it, from the server's metadata. */
const discover = (client: { clientId: string; clientSecret: string }, authentication = ClientSecretBasic) =>
  discovery(new URL(oauth.url), client.clientId, undefined, authentication(client.clientSecret), {
    execute: [allowInsecureRequests],
    algorithm: "oauth2",
  });

async function start(options: Parameters<typeof startLocalOAuth>[0] = {}) {
  oauth = await startLocalOAuth(options);
  const client = oauth.addClient();
  const consent = oauth.connect(client);
  const refresh = async (refreshToken: string) => {
    const { status, body } = await call(oauth, "POST /oauth/token", {
      form: {
        grant_type: "refresh_token",
        refresh_token: refreshToken,
        client_id: client.clientId,
        client_secret: client.clientSecret,
      },
    });
    return {
      status,
      error: body?.["error"],
      accessToken: String(body?.["access_token"]),
      refreshToken: String(body?.["refresh_token"]),
    };
  };
  return { client, consent, refresh };
}

describe("openid-client", () => {
  test.for([
    ["header", ClientSecretBasic],
    ["form", ClientSecretPost],
  ] as const)("refreshes a token with the secret in the %s", async ([, authentication]) => {
    const { client, consent } = await start();
    const config = await discover(client, authentication);
    const set = await refreshTokenGrant(config, consent.refreshToken);
    expect(set).toMatchObject({
      access_token: expect.stringMatching(/^at_fake_/),
      refresh_token: expect.stringMatching(/^rt_fake_/),
      expires_in: 3600,
      scope: "contacts.read offline_access",
    });
    expect(set.refresh_token).not.toBe(consent.refreshToken);
    expect((await me(set.access_token)).body).toMatchObject({
      sub: "fake_person",
      client_id: client.clientId,
    });
    await expect(refreshTokenGrant(config, consent.refreshToken)).rejects.toMatchObject({
      status: 400,
      error: "invalid_grant",
    });
  });

  test("gets a token for the client itself, looks into it, and revokes it", async () => {
    const { client } = await start();
    const config = await discover(client);
    const { access_token: token, refresh_token: none } = await clientCredentialsGrant(config, {
      scope: "a b",
    });
    expect(none).toBeUndefined();
    expect(await tokenIntrospection(config, token)).toMatchObject({ active: true, scope: "a b" });
    await tokenRevocation(config, token);
    expect(await tokenIntrospection(config, token)).toEqual({ active: false });
    expect((await me(token)).status).toBe(401);
  });

  test("is told nothing of another client's token, and revokes none", async () => {
    const { client, consent } = await start();
    const other = await discover(oauth.addClient());
    expect(await tokenIntrospection(other, consent.accessToken)).toEqual({ active: false });
    await tokenRevocation(other, consent.accessToken);
    await tokenRevocation(other, consent.refreshToken);
    expect(await tokenIntrospection(await discover(client), consent.accessToken)).toMatchObject({
      active: true,
      sub: "fake_person",
    });
  });

  test("is refused with another secret, and with a secret that needs encoding accepted", async () => {
    oauth = await startLocalOAuth();
    const client = oauth.addClient({ clientId: "fake:id", clientSecret: "cs_fake_%+/ ä:1" });
    const right = await discover(client);
    expect(await clientCredentialsGrant(right)).toMatchObject({ token_type: "bearer" });
    const wrong = await discover({ ...client, clientSecret: "cs_fake_wrong" });
    await expect(clientCredentialsGrant(wrong)).rejects.toMatchObject({ status: 401 });
    const other = await discover({ ...client, clientId: oauth.addClient().clientId });
    await expect(clientCredentialsGrant(other)).rejects.toMatchObject({ status: 401 });
  });
});

describe("a refresh token", () => {
  test("that comes in a second time revokes all tokens of its consent", async () => {
    const { client, consent, refresh } = await start();
    const elsewhere = oauth.connect(client);
    const next = await refresh(consent.refreshToken);
    expect((await me(consent.accessToken)).status).toBe(200);
    expect(await refresh(consent.refreshToken)).toMatchObject({ status: 400, error: "invalid_grant" });
    expect(oauth.revokedByReuse()).toBe(1);
    expect(await refresh(next.refreshToken)).toMatchObject({ status: 400, error: "invalid_grant" });
    expect([(await me(next.accessToken)).status, (await me(consent.accessToken)).status]).toEqual([401, 401]);
    expect(oauth.revokedByReuse()).toBe(1);
    expect((await refresh(elsewhere.refreshToken)).status).toBe(200);
  });

  test("may come in again within the leeway, and not after it", async () => {
    const { consent, refresh } = await start({ leewaySeconds: 1 });
    const [first, again] = [await refresh(consent.refreshToken), await refresh(consent.refreshToken)];
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.refreshToken).not.toBe(first.refreshToken);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect((await refresh(consent.refreshToken)).status).toBe(400);
    expect(oauth.revokedByReuse()).toBe(1);
  });

  test("stays the same where the provider does not rotate", async () => {
    const { consent, refresh } = await start({ rotates: false });
    const first = await refresh(consent.refreshToken);
    const second = await refresh(consent.refreshToken);
    expect([first.refreshToken, second.refreshToken]).toEqual([consent.refreshToken, consent.refreshToken]);
    expect(second.accessToken).not.toBe(first.accessToken);
  });

  test("dies of idleness, and lives on when it is used", async () => {
    const { client, consent, refresh } = await start({ rotates: false, idleSeconds: 1.5 });
    const unused = oauth.connect(client);
    const halfOfIt = () => new Promise((resolve) => setTimeout(resolve, 800));
    await halfOfIt();
    expect((await refresh(consent.refreshToken)).status).toBe(200);
    await halfOfIt();
    expect((await refresh(consent.refreshToken)).status).toBe(200);
    expect(await refresh(unused.refreshToken)).toMatchObject({ status: 400, error: "invalid_grant" });
  });

  test("of another client is refused, and stays good", async () => {
    const { consent, refresh } = await start();
    const other = oauth.addClient();
    const stolen = await call(oauth, "POST /oauth/token", {
      form: {
        grant_type: "refresh_token",
        refresh_token: consent.refreshToken,
        client_id: other.clientId,
        client_secret: other.clientSecret,
      },
    });
    expect([stolen.status, stolen.body]).toEqual([400, { error: "invalid_grant" }]);
    expect((await refresh(consent.refreshToken)).status).toBe(200);
  });

  test("ends when the person disconnects, or when it is revoked", async () => {
    const { client, consent, refresh } = await start();
    oauth.disconnect(consent.refreshToken);
    expect((await refresh(consent.refreshToken)).status).toBe(400);
    expect((await me(consent.accessToken)).status).toBe(401);
    const second = oauth.connect(client);
    await tokenRevocation(await discover(client), second.refreshToken);
    expect((await refresh(second.refreshToken)).status).toBe(400);
    expect(oauth.revokedByReuse()).toBe(0);
  });

  test("is alive by its fingerprint until it is used", async () => {
    const { client, consent, refresh } = await start();
    const fingerprintOf = (value: string) => createHash("sha256").update(value).digest("hex");
    const { refreshToken } = await refresh(consent.refreshToken);
    expect(oauth.liveRefreshTokens()).toEqual([
      {
        id: expect.stringMatching(/^family_fake_/),
        name: client.clientId,
        fingerprint: fingerprintOf(refreshToken),
      },
    ]);
    oauth.disconnect(refreshToken);
    expect(oauth.liveRefreshTokens()).toEqual([]);
  });

  test("whose answer is lost was rotated by the provider", async () => {
    const { consent, refresh } = await start();
    oauth.faults.add({ fault: "dropAfter", path: "/oauth/token" });
    await expect(refresh(consent.refreshToken)).rejects.toThrow(TypeError);
    expect(oauth.liveRefreshTokens()).toHaveLength(1);
    expect((await refresh(consent.refreshToken)).status).toBe(400);
    expect(oauth.revokedByReuse()).toBe(1);
  });
});

test("an access token expires", async () => {
  const { consent } = await start({ accessTokenSeconds: 1 });
  expect((await me(consent.accessToken)).status).toBe(200);
  await expect.poll(async () => (await me(consent.accessToken)).status, { timeout: 60_000 }).toBe(401);
});

test("a token is empty, refused for a while, or another person's, when a fault has it so", async () => {
  const { consent, refresh } = await start();
  oauth.faults.add({ fault: "emptyKey" });
  const empty = await refresh(consent.refreshToken);
  expect(empty).toMatchObject({ status: 200, accessToken: "" });
  oauth.faults.add({ fault: "propagation", for: { calls: 1 } });
  const early = await refresh(empty.refreshToken);
  expect([(await me(early.accessToken)).status, (await me(early.accessToken)).status]).toEqual([401, 200]);
  oauth.faults.add({ fault: "otherAccount" });
  const other = await refresh(early.refreshToken);
  expect((await me(other.accessToken)).body).toMatchObject({ sub: "fake_other_person" });
});

test("refuses other grants, and requests that it does not serve", async () => {
  const { client } = await start();
  const auth = { client_id: client.clientId, client_secret: client.clientSecret };
  const ask = async (request: `POST /${string}`, form: Record<string, string>) =>
    (await call(oauth, request, { form: { ...auth, ...form } })).body;
  expect(await ask("POST /oauth/token", { grant_type: "password" })).toEqual({
    error: "unsupported_grant_type",
  });
  expect(await ask("POST /oauth/introspect", {})).toEqual({ error: "invalid_request" });
  expect((await call(oauth, "GET /authorize")).status).toBe(404);
  expect((await me("at_fake_unknown")).headers.get("www-authenticate")).toContain("invalid_token");
  oauth.faults.add({ fault: "status", status: 503 });
  expect((await call(oauth, "GET /me")).body).toMatchObject({ error: "server_error" });
});
