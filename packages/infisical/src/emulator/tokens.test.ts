import { expect, test } from "vitest";
import { ask, startFixture, tokenFor } from "../testing/fixture.ts";

const loginPath = "/api/v1/auth/universal-auth/login";
const expired = "Your token has expired. Please re-authenticate.";

test("issues JWTs that live as long as they say, with the claims of the server", async () => {
  await using fixture = await startFixture({ emulator: { tokenTtlMs: 600_000, tokenMaxTtlMs: 3_600_000 } });
  const { emulator } = fixture;
  const { clientId, clientSecret } = emulator;
  const { status, body } = await ask(emulator, {
    method: "POST",
    target: loginPath,
    body: {
      clientId: ` ${clientId} `,
      clientSecret,
    },
  });
  expect([status, body]).toEqual([
    200,
    { accessToken: expect.any(String), expiresIn: 600, accessTokenMaxTTL: 3_600, tokenType: "Bearer" },
  ]);
  const payload: unknown = JSON.parse(
    Buffer.from(String(body["accessToken"]).split(".")[1] ?? "", "base64url").toString(),
  );
  expect(payload).toMatchObject({ identityId: expect.any(String), clientSecretId: expect.any(String) });
});

test("refuses a token that is missing, malformed, forged, unsigned or expired, on the log-in too", async () => {
  await using fixture = await startFixture({ emulator: { tokenTtlMs: 2000 } });
  const { emulator } = fixture;
  const good = await tokenFor(emulator, emulator);
  const [header = "", payload = "", signature = ""] = good.split(".");
  const none = Buffer.from('{"alg":"none"}').toString("base64url");
  const listing = `/api/v1/folders?workspaceId=${emulator.projectId}&environment=dev`;
  const routes = [
    ["GET", listing],
    ["POST", loginPath],
  ] as const;
  const cases: [string, RegExp][] = [
    ["nonsense", /malformed/],
    [`${header}.${payload}`, /malformed/],
    [`${header}.${payload}.`, /signature is required/],
    [`${none}.${payload}.${signature}`, /invalid algorithm/],
    [`${header}.${payload}.${"A".repeat(43)}`, /^invalid signature$/],
  ];
  for (const [method, path] of routes) {
    for (const [token, message] of cases) {
      const answer = await ask(emulator, {
        method,
        target: path,
        body: method === "POST" ? emulator : undefined,
        token,
      });
      expect([answer.status, answer.body["error"]]).toEqual([403, "TokenError"]);
      expect(answer.body["message"]).toMatch(message);
    }
  }
  expect((await ask(emulator, { method: "GET", target: listing, token: good })).status).toBe(200);
  await new Promise((resolve) => setTimeout(resolve, 2100));
  for (const [method, path] of routes) {
    const answer = await ask(emulator, {
      method,
      target: path,
      body: method === "POST" ? emulator : undefined,
      token: good,
    });
    expect([answer.status, answer.body["message"]]).toEqual([403, expired]);
  }
  const missing = await ask(emulator, { method: "GET", target: listing });
  expect([missing.status, missing.body["message"]]).toEqual([401, "Token missing"]);
});

test("renews with a new token, and kills one that is past its maximum life", async () => {
  await using fixture = await startFixture({ emulator: { tokenTtlMs: 600_000, tokenMaxTtlMs: 3_600_000 } });
  const token = await tokenFor(fixture.emulator, fixture.emulator);
  const renew = (accessToken: string) =>
    ask(fixture.emulator, {
      method: "POST",
      target: "/api/v1/auth/token/renew",
      body: { accessToken },
      token: accessToken,
    });
  const renewed = await renew(token);
  expect(renewed.status).toBe(200);
  expect(renewed.body["accessToken"]).not.toBe(token);
  await using short = await startFixture();
  const last = await tokenFor(short.emulator, short.emulator);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const refused = await ask(short.emulator, {
    method: "POST",
    target: "/api/v1/auth/token/renew",
    body: { accessToken: last },
  });
  expect([refused.status, refused.body["message"]]).toEqual([
    401,
    "Failed to renew MI access token past its Max TTL expiration",
  ]);
  const listing = `/api/v1/folders?workspaceId=${short.emulator.projectId}&environment=dev`;
  const dead = await ask(short.emulator, { method: "GET", target: listing, token: last });
  expect([dead.status, dead.body["message"]]).toEqual([401, "No identity access token found"]);
});

test("revokes a token", async () => {
  await using fixture = await startFixture();
  const token = await tokenFor(fixture.emulator, fixture.emulator);
  const revoke = () =>
    ask(fixture.emulator, {
      method: "POST",
      target: "/api/v1/auth/token/revoke",
      body: { accessToken: token },
    });
  expect((await revoke()).body).toEqual({ message: "Successfully revoked access token" });
  expect((await revoke()).status).toBe(401);
});

test("locks an identity after three wrong secrets, and no other", async () => {
  await using fixture = await startFixture();
  const { emulator } = fixture;
  const attempt = async (clientId: string, clientSecret: string) =>
    (await ask(emulator, { method: "POST", target: loginPath, body: { clientId, clientSecret } })).body[
      "message"
    ];
  for (const _ of Array(3))
    expect(await attempt(emulator.clientId, "wrong-fake")).toBe("Invalid credentials");
  expect(await attempt(emulator.clientId, emulator.clientSecret)).toMatch(/temporarily locked/);
  expect(await attempt(emulator.outsider.clientId, emulator.outsider.clientSecret)).toBeUndefined();
  expect(await attempt("unknown", "wrong-fake")).toBe("Invalid credentials");
});
