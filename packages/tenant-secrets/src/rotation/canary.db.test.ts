import { CredentialRejected } from "@repo/catalog";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createOutbound } from "@repo/outbound";
import { startLocalSendgrid, type LocalSendgrid } from "@repo/providers/sendgrid";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import type { RotationCanary, RotationRunDescription } from "@repo/catalog";
import { createTenantSecretsClient } from "../client.ts";
import { inProcessFetch } from "../router/handler.ts";
import { providerChecks } from "../providers/provider-checks.ts";
import { RunDriven } from "../runs/lease.ts";
import { codeOf, createFixture, operator, type Person, product } from "../testing/fixture.ts";
import { unpaced } from "../testing/unpaced.ts";
import { rotationDrivers } from "./drivers/drivers.ts";
import { generated } from "./drivers/generated.ts";

const fixture = await createFixture();
const { superuser } = fixture;
const { signal } = new AbortController();
const key = "SENDGRID_API_KEY";

let sendgrid: LocalSendgrid;
/** Two processes that serve reads from their caches, and drive runs. */
let here: typeof fixture.secrets;
let there: typeof fixture.secrets;
const serving: { stop(): Promise<void> }[] = [];
let acme: string;
let owner: Person;
let old: string;

beforeAll(async () => {
  sendgrid = await startLocalSendgrid();
  const start = async () => {
    const secrets = fixture.another({
      outbound: createOutbound({ allow: [new URL(sendgrid.url).host] }),
      drivers: unpaced(rotationDrivers({ sendgrid: sendgrid.url })),
      checks: providerChecks({ sendgrid: sendgrid.url }),
    });
    serving.push(await secrets.serve(fixture.urls.listener, () => {}));
    return secrets;
  };
  [here, there] = [await start(), await start()];
});
afterAll(async () => {
  await Promise.all(serving.map((each) => each.stop()));
  await sendgrid.stop();
});

beforeEach(async () => {
  await superuser`delete from rotation_policies`;
  acme = await fixture.company("database");
  owner = await fixture.person(acme, "owner");
  sendgrid.faults.clear();
  for (const { id } of sendgrid.liveCredentials()) sendgrid.deleteKey(id);
  const scopes = ["mail.send", "api_keys.create", "api_keys.read", "api_keys.delete"];
  old = sendgrid.addKey({ name: "made by a person", scopes }).value;
  await here.company(acme, product).set(key, old);
});

const name = () => ({ company: acme, secretKey: key }) as const;
const look = (run: string) => here.rotation.run(owner, acme, run);
const live = () => sendgrid.liveCredentials().map((each) => each.name);
const due = (run: string) =>
  superuser`update runs set not_before = now() where id = ${run} and not_before > now()`;
const step = async (run: string, by = here) => {
  await due(run);
  await by.runs.work["rotate-secret"]?.(run, signal);
};

async function drive(
  run: string,
  until: (description: RotationRunDescription) => boolean,
): Promise<RotationRunDescription> {
  for (let i = 0; i < 40; i++) {
    const description = await look(run);
    if (until(description)) return description;
    await step(run);
  }
  throw new Error(`the run is at ${JSON.stringify(await look(run))}`);
}
const isTrying = ({ phase, state }: RotationRunDescription) => phase === "canary" && state === "waiting";
const isDone = ({ state }: RotationRunDescription) => state === "done";

/** Begins a rotation, and drives it until the new value is tried. */
async function begin(canary: RotationCanary = { percent: 10, seconds: 600 }): Promise<string> {
  await here.rotation.set(owner, { ...name(), driver: "sendgrid", overlapSeconds: 3600, canary });
  const run = await here.rotation.rotate(owner, { ...name(), urgent: false });
  await drive(run, isTrying);
  await vi.waitFor(async () => expect(await values(there, 200)).toContain("new"), 60_000);
  return run;
}

/** What so many uses begin with. */
async function values(secrets: typeof here, count: number): Promise<readonly ("old" | "new")[]> {
  const company = secrets.company(acme, product);
  const used: ("old" | "new")[] = [];
  for (let i = 0; i < count; i++)
    used.push(await company.use(key, (value) => Promise.resolve(value === old ? "old" : "new")));
  return used;
}
const shareOf = (used: readonly string[]) => used.filter((each) => each === "new").length / used.length;

/** The time of the canary is over, in every process. */
async function endTime(): Promise<void> {
  await superuser`update company_secrets set canary = jsonb_set(canary, '{until}', '"2020-01-01T00:00:00.000Z"') where canary is not null`;
  await fixture.remacHeads();
}

/** A provider whose calls refuse the new value, although its tests accept it. */
const refusesNew = async (value: string) => {
  if (value !== old) throw new CredentialRejected();
  return "sent";
};

test("a share of the uses begins with the new value in each process; no other read returns it", async () => {
  await begin();
  for (const secrets of [here, there]) {
    const share = shareOf(await values(secrets, 2000));
    // Five standard deviations of 2,000 draws with a chance of a tenth.
    expect(share).toBeGreaterThan(0.1 - 0.034);
    expect(share).toBeLessThan(0.1 + 0.034);
    const company = secrets.company(acme, product);
    for (let i = 0; i < 300; i++) {
      expect(await company.get(key)).toBe(old);
      expect(await company.getMany([key])).toEqual({ [key]: old });
    }
  }
});

test("the typed client over HTTP shares its uses in the same way, and its reads do not", async () => {
  await begin({ percent: 50, seconds: 600 });
  const { apiKey } = await here.apiKeys.create(operator, {
    name: "k",
    companies: [acme],
    platform: false,
    secretKeys: ["*"],
    verbs: ["use"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  const client = createTenantSecretsClient({
    url: "http://in-process",
    credential: apiKey,
    catalog: deliveryChatCatalog,
    fetch: inProcessFetch(there),
  }).company(acme);
  const used: string[] = [];
  for (let i = 0; i < 200; i++) {
    used.push(await client.use(key, (value) => Promise.resolve(value === old ? "old" : "new")));
    expect(await client.get(key)).toBe(old);
  }
  // Five standard deviations of 200 draws.
  expect(Math.abs(shareOf(used) - 0.5)).toBeLessThan(0.18);
});

test("a value that is refused once ends the trial everywhere; the run fails, and no use has seen an error", async () => {
  const run = await begin({ percent: 50, seconds: 600 });
  const seen: string[] = [];
  for (let i = 0; i < 40; i++) seen.push(await there.company(acme, product).use(key, refusesNew));
  expect(new Set(seen)).toEqual(new Set(["sent"]));
  // The other process has learned of it by the notification of the change.
  await vi.waitFor(async () => expect(shareOf(await values(here, 50))).toBe(0), 60_000);
  expect(await here.rotation.startDue(signal)).toMatchObject({ woken: 1 });
  expect(await drive(run, isDone)).toMatchObject({ outcome: "failed", reason: "CANARY" });
  expect(live()).toEqual(["made by a person"]);
  expect(await here.company(acme, product).get(key)).toBe(old);
  const [policy] = (await here.rotation.list(owner, acme)).policies;
  expect(policy).toMatchObject({ failures: 1, reason: "CANARY", state: "active" });
  const events = await superuser<{ action: string; outcome: string; reason: string | null }[]>`
    select action, outcome, reason from audit_events where (request_id = ${run} or subject = ${run})
      and action in ('secret.canary', 'secret.discard', 'rotation.run') order by position`;
  expect(events.map(({ action, outcome, reason }) => [action, outcome, reason])).toEqual([
    ["secret.canary", "success", null],
    ["secret.discard", "success", null],
    ["rotation.run", "failed", "CANARY"],
  ]);
});

test("a canary that refuses nothing passes after its time and one more check", async () => {
  const run = await begin();
  await step(run);
  expect(await look(run)).toMatchObject({ phase: "canary" });
  await endTime();
  const asked = sendgrid.requests().length;
  expect(await drive(run, ({ phase }) => phase === "watch")).toMatchObject({ pendingVersion: 2 });
  expect(sendgrid.requests().length).toBeGreaterThan(asked);
  expect(await here.company(acme, product).get(key)).not.toBe(old);
});

test("a value that its provider refuses after the time is not made current", async () => {
  const run = await begin();
  const made = sendgrid.liveCredentials().find((each) => each.name.startsWith("ts-"));
  sendgrid.deleteKey(made?.id ?? "");
  await endTime();
  // A new key may be refused for a while: that it is settled is what the time of the phase says.
  await superuser`update runs set facts = facts || '{"phaseSince": 0}' where id = ${run}`;
  expect(await drive(run, isDone)).toMatchObject({ outcome: "failed", reason: "NOT_ACCEPTED" });
  expect(await here.company(acme, product).get(key)).toBe(old);
});

test("where the current value is refused as well, the new one is not to blame", async () => {
  const run = await begin({ percent: 50, seconds: 600 });
  const person = sendgrid.liveCredentials().find((each) => !each.name.startsWith("ts-"));
  const none = () => Promise.reject(new CredentialRejected());
  for (let i = 0; i < 12; i++)
    await expect(here.company(acme, product).use(key, none)).rejects.toBeInstanceOf(CredentialRejected);
  sendgrid.deleteKey(person?.id ?? "");
  expect(await drive(run, ({ phase }) => phase === "watch")).toMatchObject({ pendingVersion: 2 });
});

test("an urgent rotation tries nothing", async () => {
  await here.rotation.set(owner, {
    ...name(),
    driver: "sendgrid",
    overlapSeconds: 3600,
    canary: { percent: 50, seconds: 86_400 },
  });
  const run = await here.rotation.rotate(owner, { ...name(), urgent: true, purpose: "incident" });
  const ended = await drive(run, isDone);
  expect(ended).toMatchObject({ outcome: "rotated", urgent: true });
});

test("a rotation that is aborted while its value is tried leaves nothing, and no use gets it any more", async () => {
  const run = await begin();
  await here.rotation.people.abort(owner, { company: acme, run });
  expect(await drive(run, isDone)).toMatchObject({ outcome: "failed", reason: "ABORTED" });
  expect(live()).toEqual(["made by a person"]);
  await vi.waitFor(async () => expect(shareOf(await values(there, 100))).toBe(0), 60_000);
});

test("a value that a person writes meanwhile stays: the trial ends at once, and the run within a minute", async () => {
  const run = await begin({ percent: 50, seconds: 86_400 });
  const mine = sendgrid.addKey({ name: "of the person" }).value;
  await there.company(acme, product).set(key, mine);
  old = mine;
  await vi.waitFor(async () => expect(shareOf(await values(here, 50))).toBe(0), 60_000);
  expect(await there.rotation.startDue(signal)).toMatchObject({ woken: 1 });
  await here.runs.work["rotate-secret"]?.(run, signal);
  expect(await drive(run, isDone)).toMatchObject({ outcome: "failed", reason: "OVERTAKEN" });
  expect(live()).toEqual(["made by a person", "of the person"]);
  expect(await here.company(acme, product).get(key)).toBe(mine);
});

test("a process that has lost the run begins no canary, and two at every step begin one", async () => {
  await here.rotation.set(owner, {
    ...name(),
    driver: "sendgrid",
    overlapSeconds: 3600,
    canary: { percent: 10, seconds: 600 },
  });
  const run = await here.rotation.rotate(owner, { ...name(), urgent: false });
  for (let i = 0; i < 30 && !isTrying(await look(run)); i++) {
    await due(run);
    const results = await Promise.allSettled(
      [here, there].map(async (each) => each.runs.work["rotate-secret"]?.(run, signal)),
    );
    for (const result of results)
      if (result.status === "rejected") expect(result.reason).toBeInstanceOf(RunDriven);
  }
  const [begun] =
    await superuser`select count(*)::int as n from audit_events where action = 'secret.canary' and request_id = ${run}`;
  expect(begun?.["n"]).toBe(1);
  await endTime();
  await due(run);
  // While it asks the provider once more, the other process takes the run over.
  sendgrid.faults.add({ fault: "delay", ms: 800 });
  const asked = sendgrid.requests().length;
  const slow = here.runs.work["rotate-secret"]?.(run, signal).catch((error: unknown) => error);
  await vi.waitFor(() => expect(sendgrid.requests().length).toBeGreaterThan(asked), 60_000);
  await superuser`update runs set lease_until = now() - interval '1 second' where id = ${run}`;
  await there.runs.work["rotate-secret"]?.(run, signal);
  expect(await slow).toBeInstanceOf(RunDriven);
  await drive(run, ({ phase }) => phase === "watch");
  const promotions =
    await superuser`select from audit_events where action = 'secret.promote' and request_id = ${run}`;
  expect(promotions).toHaveLength(1);
});

test("a canary of a head that another party has changed is an integrity failure", async () => {
  await begin();
  await superuser`update company_secrets set canary = jsonb_set(canary, '{percent}', '100') where canary is not null`;
  await vi.waitFor(async () => {
    expect(await codeOf(there.company(acme, product).use(key, async () => "used"))).toBe("INTEGRITY_FAILURE");
  }, 60_000);
});

test("a driver whose new value ends the old one has no canary", async () => {
  const canary = { percent: 10, seconds: 600 };
  const asked = { ...name(), overlapSeconds: 0, canary };
  const replacing = fixture.another({
    drivers: { ...rotationDrivers(), generated: { ...generated, overlap: "replaces" } },
  });
  expect(await codeOf(replacing.rotation.set(owner, { ...asked, driver: "generated" }))).toBe(
    "INVALID_INPUT",
  );
});
