import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { OAuthTokens } from "@repo/catalog";
import { Plaintext } from "@repo/envelope";
import { type LocalOAuth, startLocalOAuth } from "@repo/providers/oauth";
import { httpWorld } from "../../testing/driver-trial.ts";
import type { DriverCall } from "./driver.ts";
import { DriverError } from "./driver-error.ts";
import { createOauth2Driver, type Oauth2Options } from "./oauth2.ts";

type Options = NonNullable<Parameters<typeof startLocalOAuth>[0]>;

let oauth: LocalOAuth;
let world: ReturnType<typeof httpWorld>;
let client: { readonly clientId: string; readonly clientSecret: string };
let tokens: OAuthTokens;

async function begin(options: Options = {}): Promise<void> {
  oauth = await startLocalOAuth(options);
  world = httpWorld(oauth);
  const { clientId, clientSecret } = oauth.addClient();
  client = { clientId, clientSecret };
  const { accessToken, refreshToken, scope } = oauth.connect({ clientId });
  tokens = { accessToken, refreshToken, scope };
}
beforeEach(() => begin());
afterEach(() => oauth.stop());

const driverOf = (options: Partial<Oauth2Options> = {}) =>
  createOauth2Driver({
    name: "oauth2-fake",
    tokenEndpoint: `${oauth.url}/oauth/token`,
    testUrl: `${oauth.url}/me`,
    grant: "refresh-token",
    ...options,
  });
const stored = (value: object): Plaintext => Plaintext.fromText(JSON.stringify(value));
const call = (changes: Partial<DriverCall> = {}): DriverCall<Record<string, never>> => ({
  marker: "ts-456789abcdef-1",
  current: stored(tokens),
  manager: stored(client),
  check: async () => "unknown",
  fetch: world.fetch,
  signal: AbortSignal.timeout(30_000),
  ...changes,
  settings: {},
});
const exchange = async (changes: Partial<DriverCall> = {}, options: Partial<Oauth2Options> = {}) => {
  const { value, expiresAt } = await driverOf(options).exchange(call(changes));
  return { tokens: OAuthTokens.parse(JSON.parse(value.reveal())), value, expiresAt };
};
const failure = async (changes: Partial<DriverCall> = {}): Promise<DriverError> => {
  const error: unknown = await exchange(changes).catch((thrown: unknown) => thrown);
  if (!(error instanceof DriverError)) throw new TypeError("The exchange did not fail as a driver does.");
  const shown = inspect(error, { depth: 9, showHidden: true });
  for (const text of [...Object.values(tokens), client.clientSecret, ...world.sayings])
    expect(shown).not.toContain(text);
  return error;
};

describe("an exchange of a refresh token", () => {
  test("gives tokens that are accepted, and uses the old one up", async () => {
    const made = await exchange();
    expect(made.tokens.refreshToken).not.toBe(tokens.refreshToken);
    expect(made.tokens.scope).toBe(tokens.scope);
    expect((made.expiresAt?.getTime() ?? 0) - Date.now()).toBeGreaterThan(3500_000);
    expect(made.tokens.expiresAt).toBe(made.expiresAt?.toISOString());
    expect(await driverOf().test(call(), made.value)).toBe("accepted");
    expect(oauth.liveRefreshTokens()).toHaveLength(1);
    const next = await exchange({ current: made.value });
    expect(await driverOf().test(call(), next.value)).toBe("accepted");
    expect(oauth.revokedByReuse()).toBe(0);
  });

  test("works with the client's secret in the body, too", async () => {
    const made = await exchange({}, { clientAuthentication: "post" });
    expect(await driverOf().test(call(), made.value)).toBe("accepted");
    expect(oauth.requests()[0]?.authorization).toBeUndefined();
  });

  test("asks for consent again where the person took it back, and for nothing less", async () => {
    oauth.disconnect(tokens.refreshToken ?? "");
    expect(await failure()).toMatchObject({ code: "reauth-required" });
  });

  test("is not a matter of consent where something goes wrong on the way, whatever that is", async () => {
    for (const name of Object.keys(world.faults)) {
      await oauth.stop();
      await begin();
      world.faults[name]?.(1);
      expect(await failure(), name).toMatchObject({ code: "transient" });
    }
  });

  test("waits for as long as the provider asks, and through an hour of errors", async () => {
    oauth.faults.add({ fault: "status", status: 429, retryAfter: 7 });
    expect(await failure()).toMatchObject({ code: "transient", retryAfterMs: 7000 });
    oauth.faults.add({ fault: "status", status: 500, times: 20 });
    for (let count = 0; count < 20; count += 1) expect(await failure()).toMatchObject({ code: "transient" });
    expect((await exchange()).tokens.accessToken).not.toBe(tokens.accessToken);
  });

  test("succeeds when it is repeated, where the provider forgives an answer that was lost", async () => {
    await oauth.stop();
    await begin({ leewaySeconds: 30 });
    oauth.faults.add({ fault: "dropAfter" });
    expect(await failure()).toMatchObject({ code: "transient" });
    expect(await driverOf().test(call(), (await exchange()).value)).toBe("accepted");
    expect(oauth.revokedByReuse()).toBe(0);
  });

  test("asks for consent again where the provider forgives none", async () => {
    oauth.faults.add({ fault: "dropAfter" });
    expect(await failure()).toMatchObject({ code: "transient" });
    expect(await failure()).toMatchObject({ code: "reauth-required" });
  });

  test("with a client that the provider does not know is not allowed", async () => {
    const manager = stored({ ...client, clientSecret: "fake-wrong-secret" });
    expect(await failure({ manager })).toMatchObject({ code: "not-allowed" });
    expect(oauth.liveRefreshTokens()).toHaveLength(1);
  });

  test("takes no answer with an empty token", async () => {
    oauth.faults.add({ fault: "emptyKey" });
    expect(await failure()).toMatchObject({ code: "transient" });
  });

  test("keeps the refresh token where the provider gives no other one", async () => {
    await oauth.stop();
    await begin({ rotates: false });
    const made = await exchange();
    expect(made.tokens.refreshToken).toBe(tokens.refreshToken);
    expect(made.tokens.accessToken).not.toBe(tokens.accessToken);
  });

  test("needs a refresh token and a client, in their forms", async () => {
    for (const changes of [
      { current: undefined },
      { current: Plaintext.fromText("no JSON") },
      { current: stored({ accessToken: "fake-access" }) },
      { manager: undefined },
      { manager: stored({ clientId: "x" }) },
    ]) {
      expect(await failure(changes)).toMatchObject({ code: "misconfigured" });
    }
  });

  test("connects to no address that is not public", async () => {
    const outside = driverOf({ tokenEndpoint: "http://127.0.0.1:9/token" });
    await expect(outside.exchange(call())).rejects.toMatchObject({ code: "misconfigured" });
  });

  test("that is out of time may succeed later", async () => {
    expect(await failure({ signal: AbortSignal.abort() })).toMatchObject({ code: "transient" });
  });
});

test("client credentials need no value before, and give one without a refresh token", async () => {
  const made = await exchange({ current: undefined }, { grant: "client-credentials", scope: "reports.read" });
  expect(made.tokens).toMatchObject({ scope: "reports.read" });
  expect(made.tokens).not.toHaveProperty("refreshToken");
  expect(await driverOf().test(call(), made.value)).toBe("accepted");
});

describe("a token", () => {
  test("that the provider does not know is rejected, and one in an outage is unknown", async () => {
    expect(await driverOf().test(call(), stored({ accessToken: "fake-unknown" }))).toBe("rejected");
    for (const fault of [
      { fault: "html" },
      { fault: "dropBefore" },
      { fault: "status", status: 503 },
    ] as const) {
      oauth.faults.add(fault);
      expect(await driverOf().test(call(), stored(tokens))).toBe("unknown");
    }
  });

  test("without an address to ask is accepted until its end", async () => {
    const driver = driverOf({ testUrl: undefined });
    const ending = (ms: number) => stored({ ...tokens, expiresAt: new Date(Date.now() + ms).toISOString() });
    expect(await driver.test(call(), ending(60_000))).toBe("accepted");
    expect(await driver.test(call(), ending(-1))).toBe("rejected");
    expect(await driver.test(call(), stored(tokens))).toBe("accepted");
    expect(oauth.requests()).toEqual([]);
  });
});
