import { OAuthTokens, type RotationRunDescription } from "@repo/catalog";
import { createOutbound } from "@repo/outbound";
import { type LocalOAuth, startLocalOAuth } from "@repo/providers/oauth";
import { afterEach, expect, test } from "vitest";
import { createFixture, operator, product } from "../testing/fixture.ts";
import { rotationDrivers } from "./drivers/drivers.ts";
import { createOauth2Driver } from "./drivers/oauth2.ts";

const fixture = await createFixture();
const { superuser } = fixture;
const { signal } = new AbortController();

let oauth: LocalOAuth;
afterEach(() => oauth.stop());

const key = "CUSTOM_TOKENS";
const isDone = ({ state }: RotationRunDescription) => state === "done";

/** A provider that revokes a family whose token is used twice, and a company with tokens that have ended. */
async function begin(options: Parameters<typeof startLocalOAuth>[0] = {}) {
  oauth = await startLocalOAuth(options);
  const acme = createOauth2Driver({
    name: "acme",
    tokenEndpoint: `${oauth.url}/oauth/token`,
    testUrl: `${oauth.url}/me`,
    grant: "refresh-token",
  });
  const service = () =>
    fixture.another({
      outbound: createOutbound({ allow: [new URL(oauth.url).host] }),
      drivers: { ...rotationDrivers(), acme },
    });
  const secrets = service();
  const company = await fixture.company("database");
  const own = secrets.company(company, product);
  const { clientId, clientSecret } = oauth.addClient();
  const { accessToken, refreshToken } = oauth.connect({ clientId });
  const expiresAt = new Date(Date.now() - 1000);
  await own.set("CUSTOM_CLIENT", JSON.stringify({ clientId, clientSecret }));
  await own.set(key, JSON.stringify({ accessToken, refreshToken }), { expiresAt });
  const name = { company, secretKey: key };
  await secrets.rotation.set(operator, {
    ...name,
    driver: "acme",
    manager: "CUSTOM_CLIENT",
    overlapSeconds: 0,
  });
  const look = (run: string) => secrets.rotation.run(operator, company, run);
  return {
    service,
    secrets,
    name,
    refreshToken,
    look,
    tokens: async (by = secrets) =>
      OAuthTokens.parse(JSON.parse(await by.company(company, product).get(key))),
    rotate: (by = secrets) => by.rotation.rotate(operator, { ...name, urgent: false }),
    /** Drives a run without its waits, until it is over. */
    drive: async (run: string) => {
      for (let i = 0; i < 20; i++) {
        const description = await look(run);
        if (isDone(description)) return description;
        await superuser`update runs set not_before = now() where id = ${run} and not_before > now()`;
        await secrets.runs.work["rotate-secret"]?.(run, signal);
      }
      throw new Error("the run takes too many steps");
    },
    policy: async () => (await secrets.rotation.list(operator, company)).policies[0],
  };
}

const exchanges = () => oauth.requests().filter(({ path }) => path === "/oauth/token").length;
const events = async (run: string) =>
  superuser`select 1 from audit_events where subject = ${run} and reason = 'REAUTH_REQUIRED' and action = 'rotation.run'`;

test("50 callers of five services who find that a token has ended make one exchange, and all get its value", async () => {
  const world = await begin();
  const services = [1, 2, 3, 4, 5].map(() => world.service());
  const callers = services.flatMap((each) => Array.from({ length: 10 }, () => each));
  const runs = new Set(await Promise.all(callers.map((each) => world.rotate(each))));
  expect(runs.size).toBe(1);
  const [run = ""] = runs;
  await Promise.allSettled(callers.map(async (each) => each.runs.work["rotate-secret"]?.(run, signal)));
  expect(await world.drive(run)).toMatchObject({ outcome: "rotated" });

  expect(exchanges()).toBe(1);
  expect(oauth.revokedByReuse()).toBe(0);
  const found = await Promise.all(services.map((each) => world.tokens(each)));
  expect(new Set(found.map(({ accessToken }) => accessToken)).size).toBe(1);
  expect(found[0]?.refreshToken).not.toBe(world.refreshToken);
  const accepted = await fetch(`${oauth.url}/me`, {
    headers: { authorization: `Bearer ${found[0]?.accessToken ?? ""}` },
  });
  expect(accepted.status).toBe(200);
});

test("an answer that is lost after the exchange is made up for by one retry, where the provider allows it", async () => {
  const world = await begin({ leewaySeconds: 60 });
  oauth.faults.add({ fault: "dropAfter", path: "/oauth/token" });
  const run = await world.rotate();
  expect(await world.drive(run)).toMatchObject({ outcome: "rotated" });
  expect(exchanges()).toBe(2);
  expect((await world.tokens()).refreshToken).not.toBe(world.refreshToken);
  expect(await events(run)).toHaveLength(0);
});

test("where the provider forgives no second use, a person is asked once, and the tokens stay", async () => {
  const world = await begin();
  oauth.faults.add({ fault: "dropAfter", path: "/oauth/token" });
  const run = await world.rotate();
  expect(await world.drive(run)).toMatchObject({ outcome: "failed", reason: "REAUTH_REQUIRED" });
  // The one whose answer was lost, and two that the provider refused.
  expect(exchanges()).toBe(3);
  expect(await events(run)).toHaveLength(1);
  expect((await world.tokens()).refreshToken).toBe(world.refreshToken);
});

test("a token endpoint that fails for an hour asks no person, and the old token is served all the while", async () => {
  const world = await begin();
  oauth.faults.add({ fault: "status", status: 500, path: "/oauth/token", times: "always" });
  const run = await world.rotate();
  for (let i = 0; i < 3; i++) {
    await world.secrets.runs.work["rotate-secret"]?.(run, signal);
    await superuser`update runs set not_before = now() where id = ${run} and not_before > now()`;
    expect(await world.look(run)).not.toHaveProperty("reason");
    expect((await world.tokens()).refreshToken).toBe(world.refreshToken);
  }
  oauth.faults.clear();
  expect(await world.drive(run)).toMatchObject({ outcome: "rotated" });
  expect(oauth.revokedByReuse()).toBe(0);
  expect(await events(run)).toHaveLength(0);
});

test("tokens are due a tenth of their life before their end, and 10 minutes apart at least by a schedule", async () => {
  const world = await begin({ accessTokenSeconds: 7200 });
  const set = (changes: object) =>
    world.secrets.rotation.set(operator, {
      ...world.name,
      driver: "acme",
      manager: "CUSTOM_CLIENT",
      overlapSeconds: 0,
      ...changes,
    });
  await world.drive(await world.rotate());
  expect((await set({})).schedule).toEqual({ beforeExpiry: "PT12M" });
  await expect(set({ schedule: { every: "PT9M" } })).rejects.toMatchObject({ code: "INVALID_INPUT" });
  await expect(set({ schedule: { every: "PT10M" } })).resolves.toMatchObject({ state: "active" });
});
