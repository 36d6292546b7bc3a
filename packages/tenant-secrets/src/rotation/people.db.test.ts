import { setTimeout as sleep } from "node:timers/promises";
import { createOutbound } from "@repo/outbound";
import { startLocalStripe, type LocalStripe } from "@repo/providers/stripe";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { RotationRunDescription } from "@repo/catalog";
import { codeOf, createFixture, type Person, product } from "../testing/fixture.ts";
import { unpaced } from "../testing/unpaced.ts";
import { providerChecks } from "../providers/provider-checks.ts";
import { rotationDrivers } from "./drivers/drivers.ts";

const fixture = await createFixture();
const { superuser } = fixture;
const { signal } = new AbortController();
const key = "STRIPE_SECRET_KEY";
const old = "sk_test_fake_acmecorp_0001";
const next = "sk_test_fake_acmecorp_0002";
/** Milliseconds after which the events of reads, which are committed in batches, are there. */
const batchMs = 1000;

let stripe: LocalStripe;
let secrets: typeof fixture.secrets;
let acme: string;
let owner: Person;

beforeAll(async () => {
  stripe = await startLocalStripe();
  secrets = fixture.another({
    outbound: createOutbound({ allow: [new URL(stripe.url).host] }),
    drivers: unpaced(rotationDrivers({ stripe: stripe.url })),
    checks: providerChecks({ stripe: stripe.url }),
  });
});
afterAll(() => stripe.stop());

beforeEach(async () => {
  acme = await fixture.company("database");
  owner = await fixture.person(acme, "owner");
  await secrets.company(acme, product).set(key, old);
});

const look = (run: string) => secrets.rotation.run(owner, acme, run);
const valueNow = () => secrets.company(acme, product).get(key);
const supply = (run: string, value: string, { sameAccount = false, by = owner } = {}) =>
  secrets.rotation.people.supply(by, { company: acme, run, value, sameAccount });

/** Drives a run as its jobs do, without their waits. */
async function drive(
  run: string,
  until: (description: RotationRunDescription) => boolean,
): Promise<RotationRunDescription> {
  for (let i = 0; i < 30; i++) {
    const description = await look(run);
    if (until(description)) return description;
    await superuser`update runs set not_before = now() where id = ${run} and not_before > now()`;
    await secrets.runs.work["rotate-secret"]?.(run, signal);
  }
  throw new Error(`the run is at ${JSON.stringify(await look(run))}`);
}
/** How often the first two versions were opened for a run. */
const opened = async (run: string): Promise<readonly number[]> => {
  await secrets.flush();
  const events = await superuser<{ version: number }[]>`
    select version from audit_events where action = 'secret.read' and request_id = ${run}`;
  return [1, 2].map((version) => events.filter((event) => event.version === version).length);
};
const isAsking = ({ state, phase }: RotationRunDescription) => state === "person" && phase === "ask";

async function begin(): Promise<string> {
  const name = { company: acme, secretKey: key };
  const settings = '{"provider":"stripe"}';
  await secrets.rotation.set(owner, { ...name, driver: "guided", settings, overlapSeconds: 3600 });
  const run = await secrets.rotation.rotate(owner, { ...name, urgent: false });
  await drive(run, isAsking);
  return run;
}

test("a person makes the next key, the rotation tests it, makes it current, and asks to end the old one", async () => {
  const run = await begin();
  expect(await look(run)).toMatchObject({
    guide: { provider: "Stripe" },
    allows: ["supply", "abort"],
    phases: ["prepare", "ask", "test", "promote", "watch", "ask-retire"],
    credentials: [],
  });
  const { drivers } = await secrets.rotation.list(owner, acme);
  expect(drivers.find(({ name }) => name === "guided")?.settings).toMatchObject({
    properties: { provider: { enum: ["stripe", "google", "github", "any"], default: "any" } },
    additionalProperties: false,
  });
  expect(await supply(run, next)).toBe(2);
  await drive(run, ({ phase }) => phase === "watch");
  expect(await valueNow()).toBe(next);
  await superuser`update runs set facts = facts || '{"promotedAt": 0}' where id = ${run}`;
  await drive(run, ({ state, phase }) => state === "person" && phase === "ask-retire");
  const confirm = () => secrets.rotation.people.confirm(owner, { company: acme, run });
  await expect(confirm()).rejects.toMatchObject({ code: "CONFLICT", message: /still accepts the old value/ });
  stripe.revoke(old);
  // The overlap is over, so that the old value is no active one.
  await superuser`update company_secrets set grace_windows = '[]' where company_id = (select id from companies where subdomain = ${acme})`;
  await fixture.remacHeads();
  await sleep(batchMs);
  const before = await opened(run);
  await confirm();
  await sleep(batchMs);
  const added = (await opened(run)).map((count, i) => count - (before[i] ?? 0));
  expect(added, "an event for the old value, and one for the new one").toEqual([1, 1]);
  expect(await drive(run, ({ state }) => state === "done")).toMatchObject({
    outcome: "rotated",
    unconfirmed: false,
  });
});

test("after an urgent rotation, too, a person is asked to end the old key, at once", async () => {
  const name = { company: acme, secretKey: key };
  const settings = '{"provider":"stripe"}';
  await secrets.rotation.set(owner, { ...name, driver: "guided", settings, overlapSeconds: 3600 });
  const run = await secrets.rotation.rotate(owner, { ...name, urgent: true, purpose: "incident" });
  await drive(run, isAsking);
  await supply(run, next, { sameAccount: true });
  const asked = await drive(run, ({ state, phase }) => state === "person" && phase === "ask-retire");
  expect(asked.allows).toEqual(["confirm"]);
  expect(await valueNow()).toBe(next);
});

test.each([
  ["the old key again", old, "INVALID_VALUE"],
  ["a key that Stripe does not know", "sk_test_fake_revoked_0001", "INVALID_VALUE"],
  ["a key of another account", "sk_test_fake_codewiser_0001", "CONFLICT"],
  ["a key of the other mode", "sk_live_fake_acmecorp_0001", "CONFLICT"],
  ["a key with a newline", `${next}\n`, "INVALID_VALUE"],
  ["an empty text", "", "INVALID_VALUE"],
  ["what is no key", "hunter2-fake", "INVALID_VALUE"],
] as const)("%s is refused, and nothing is stored", async (_, value, code) => {
  const run = await begin();
  expect(await codeOf(supply(run, value))).toBe(code);
  const { versions } = await secrets.company(acme, product).history(key);
  expect(versions).toHaveLength(1);
  expect(await look(run)).toMatchObject({ phase: "ask" });
  const rows = await superuser`select json_agg(e) as events from audit_events e`;
  if (value !== "") expect(JSON.stringify(rows)).not.toContain(value.trim());
});

test("a restricted key that may not say its account is taken once the person confirms the account", async () => {
  const run = await begin();
  const restricted = "rk_test_fake_acmecorp_0001";
  expect(await codeOf(supply(run, restricted))).toBe("CONFLICT");
  expect(await supply(run, restricted, { sameAccount: true })).toBe(2);
});

test("a supply whose answer was lost is repeated without another version", async () => {
  const run = await begin();
  const { versions } = await secrets.company(acme, product).history(key);
  await secrets.company(acme, product).stage(key, next);
  expect(await supply(run, next, { sameAccount: true })).toBe(2);
  expect((await secrets.company(acme, product).history(key)).versions).toHaveLength(versions.length + 1);
});

test("a person who may not write, and a run of another company, are refused before the provider is asked", async () => {
  const run = await begin();
  const asked = stripe.requests().length;
  const auditor = await fixture.person(acme, "auditor");
  expect(await codeOf(supply(run, next, { by: auditor }))).toBe("FORBIDDEN");
  const elsewhere = await fixture.company("database");
  const stranger = await fixture.person(elsewhere, "owner");
  const foreign = { company: elsewhere, run, value: next, sameAccount: false };
  expect(await codeOf(secrets.rotation.people.supply(stranger, foreign))).toBe("NOT_FOUND");
  expect(stripe.requests().length).toBe(asked);
});

test.each([
  [
    "falls back by hand",
    { outcome: "fell-back", reason: "FELL_BACK" },
    async (run: string) => {
      await drive(run, ({ phase }) => phase === "watch");
      await secrets.rotation.people.fallBack(owner, { company: acme, run });
    },
  ],
  [
    "is aborted",
    { outcome: "failed", reason: "ABORTED" },
    (run: string) => secrets.rotation.people.abort(owner, { company: acme, run }),
  ],
] as const)(
  "after a value was supplied, a run that %s asks for the end of its credential",
  async (_, end, act) => {
    const run = await begin();
    await supply(run, next, { sameAccount: true });
    await act(run);
    expect(await drive(run, ({ state }) => state === "done")).toMatchObject(end);
    const events = await superuser`
    select version, secret_key from audit_events where action = 'rotation.ask-retire' and subject = ${run}`;
    expect(events).toEqual([{ version: 2, secret_key: key }]);
    expect(await valueNow()).toBe(old);
  },
);

test("a run that is aborted before a value was supplied asks for the end of none", async () => {
  const run = await begin();
  await secrets.rotation.people.abort(owner, { company: acme, run });
  await drive(run, ({ state }) => state === "done");
  const events =
    await superuser`select from audit_events where action = 'rotation.ask-retire' and subject = ${run}`;
  expect(events).toHaveLength(0);
});

test("a person who does nothing is reminded each day, and nothing is cut off", async () => {
  const run = await begin();
  for (let day = 0; day < 3; day++) {
    await superuser`update runs set not_before = now() where id = ${run}`;
    await secrets.runs.work["rotate-secret"]?.(run, signal);
  }
  const [reminders] =
    await superuser`select count(*)::int as n from audit_events where action = 'rotation.ask' and subject = ${run}`;
  expect(reminders?.["n"]).toBe(4);
  expect(await valueNow()).toBe(old);
});

test("a generated secret is pending for a day, in which the other side can fetch it, before it is current", async () => {
  const name = { company: acme, secretKey: "WEBHOOK_SIGNING_SECRET" } as const;
  const own = secrets.company(acme, product);
  await own.set(name.secretKey, "whsec_ZmFrZS1mYWtlLWZha2UtZmFrZS1mYWtlLWZha2UtMDE=");
  await secrets.rotation.set(owner, { ...name, driver: "generated", overlapSeconds: 3600 });
  const run = await secrets.rotation.rotate(owner, { ...name, urgent: false });
  await secrets.runs.work["rotate-secret"]?.(run, signal);
  const pending = await look(run);
  expect(pending).toMatchObject({ phase: "lead", state: "waiting", pendingVersion: 2 });
  expect((Number(pending.notBefore) - Date.now()) / 3_600_000).toBeGreaterThan(23.9);
  await superuser`update runs set facts = facts || '{"phaseSince": 0}' where id = ${run}`;
  await drive(run, ({ phase }) => phase === "watch");
  expect((await own.history(name.secretKey)).versions.find(({ stage }) => stage === "current")?.version).toBe(
    2,
  );
  const urgent = { ...name, urgent: true, purpose: "incident" } as const;
  expect(await secrets.rotation.rotate(owner, urgent)).toBe(run);
});
