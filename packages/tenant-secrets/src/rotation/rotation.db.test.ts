import { randomUUID } from "node:crypto";
import { createOutbound } from "@repo/outbound";
import { startLocalSendgrid, type LocalSendgrid } from "@repo/providers/sendgrid";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import type { RotationRunDescription, RotationRunDetails } from "@repo/catalog";
import { RunDriven } from "../runs/lease.ts";
import { codeOf, createFixture, operator, type Person, product } from "../testing/fixture.ts";
import { unpaced } from "../testing/unpaced.ts";
import { providerChecks } from "../providers/provider-checks.ts";
import { rotationDrivers } from "./drivers/drivers.ts";

const fixture = await createFixture();
const { superuser } = fixture;
const { signal } = new AbortController();
const key = "SENDGRID_API_KEY";

let sendgrid: LocalSendgrid;
let secrets: typeof fixture.secrets;
let acme: string;
let owner: Person;
let old: { readonly id: string; readonly value: string };

const processOf = () =>
  fixture.another({
    outbound: createOutbound({ allow: [new URL(sendgrid.url).host] }),
    drivers: unpaced(rotationDrivers({ sendgrid: sendgrid.url })),
    checks: providerChecks({ sendgrid: sendgrid.url }),
  });

beforeAll(async () => {
  sendgrid = await startLocalSendgrid();
  secrets = processOf();
});
afterAll(() => sendgrid.stop());

beforeEach(async () => {
  await superuser`delete from rotation_policies`;
  acme = await fixture.company("database");
  owner = await fixture.person(acme, "owner");
  sendgrid.faults.clear();
  for (const { id } of sendgrid.liveCredentials()) sendgrid.deleteKey(id);
  old = sendgrid.addKey({
    name: "made by a person",
    scopes: ["mail.send", "api_keys.create", "api_keys.read", "api_keys.delete"],
  });
  await secretsOf(acme).set(key, old.value);
});

const secretsOf = (company: string) => secrets.company(company, product);
const setPolicy = (changes: object = {}) =>
  secrets.rotation.set(owner, {
    company: acme,
    secretKey: key,
    driver: "sendgrid",
    overlapSeconds: 3600,
    ...changes,
  });
const rotate = (urgent = false) =>
  secrets.rotation.rotate(owner, {
    company: acme,
    secretKey: key,
    urgent,
    purpose: urgent ? "incident" : undefined,
  });
const look = (run: string) => secrets.rotation.run(owner, acme, run);
const endedAs = async (outcome: "rotated" | "failed") =>
  (await secrets.rotation.runs(owner, { company: acme, outcome, limit: 9 })).map(({ id }) => id);
const live = () => sendgrid.liveCredentials().map(({ name }) => name);
const credentials = async () =>
  (
    await superuser<{ marker: string; state: string }[]>`
      select marker, state from rotation_credentials c join companies o on o.id = c.company_id where o.subdomain = ${acme} order by c.created_at`
  ).map(({ marker, state }) => `${marker.slice(-2)} ${state}`);

/** What waits is due now. */
const due = (run: string) =>
  superuser`update runs set not_before = now() where id = ${run} and not_before > now()`;

/** Drives a run as its jobs do, without their waits, until it comes to one of these phases. */
async function drive(
  run: string,
  until: (description: RotationRunDescription) => boolean,
  by = secrets,
): Promise<RotationRunDetails> {
  for (let i = 0; i < 40; i++) {
    const description = await look(run);
    if (until(description)) return description;
    await due(run);
    await by.runs.work["rotate-secret"]?.(run, signal);
  }
  throw new Error(`the run is at ${JSON.stringify(await look(run))}`);
}
const isDone = ({ state }: RotationRunDescription) => state === "done";
const inPhase =
  (phase: RotationRunDescription["phase"]) =>
  (description: RotationRunDescription): boolean =>
    description.phase === phase;

/** The overlap of a company's secrets is over. */
const endOverlap = async (run: string) => {
  await superuser`update company_secrets set grace_windows = '[]' where company_id = (select id from companies where subdomain = ${acme})`;
  await fixture.remacHeads();
  await superuser`update runs set facts = facts || '{"promotedAt": 0}' where id = ${run}`;
};

const valueNow = () => secretsOf(acme).get(key);
const actions = async (run: string) =>
  (
    await superuser<{ action: string; outcome: string; reason: string | null }[]>`
      select action, outcome, reason from audit_events where (request_id = ${run} or subject = ${run}) and action not in ('secret.read', 'rotation.list') order by position`
  ).map(({ action, outcome, reason }) => [action, outcome, reason].filter(Boolean).join(" "));

test("a key is made, tested, made current and watched; a key that a person made stays", async () => {
  await setPolicy();
  const run = await rotate();
  const watching = await drive(run, inPhase("watch"));
  expect(watching).toMatchObject({ currentVersion: 1, pendingVersion: 2, state: "waiting" });
  expect(await valueNow()).not.toBe(old.value);
  expect(live()).toEqual(["made by a person", expect.stringMatching(/^ts-[0-9a-f]{12}-1$/)]);
  expect(await secretsOf(acme).use(key, async (value) => value !== old.value)).toBe(true);
  const { promotedAt, previousUntil } = watching;
  expect(Number(previousUntil) - Number(promotedAt)).toBe(3_600_000);
  expect(await endedAs("rotated")).toEqual([]);
  await endOverlap(run);
  expect(await drive(run, isDone)).toMatchObject({ outcome: "rotated", unconfirmed: false });
  expect(await endedAs("rotated")).toEqual([run]);
  expect(await endedAs("failed")).toEqual([]);
  expect(await look(run)).toMatchObject({
    phases: ["prepare", "create", "test", "promote", "watch", "retire", "confirm"],
    credentials: [
      {
        marker: expect.stringMatching(/^ts-[0-9a-f]{12}-1$/),
        ref: expect.stringMatching(/^fake_/),
        state: "live",
        version: 2,
      },
    ],
  });
  expect(live()).toHaveLength(2);
  expect(await credentials()).toEqual(["-1 live"]);
  expect(await actions(run)).toEqual([
    "rotation.rotate success",
    "secret.stage success",
    "secret.promote success",
    "rotation.run success",
  ]);
});

test("the key that a rotation made is ended by the next one, when its overlap is over", async () => {
  await setPolicy();
  const first = await rotate();
  await drive(first, inPhase("watch"));
  await endOverlap(first);
  await drive(first, isDone);
  const second = await rotate();
  expect(second).not.toBe(first);
  await drive(second, inPhase("watch"));
  expect(live()).toHaveLength(3);
  await endOverlap(second);
  await drive(second, isDone);
  expect(live()).toHaveLength(2);
  expect(await credentials()).toEqual(["-1 retired", "-1 live"]);
  expect(await actions(second)).toContain("rotation.retire success");
  expect(await valueNow()).toMatch(/^SG\./);
});

test("an urgent rotation ends the old key as soon as the new one is current", async () => {
  await setPolicy();
  const first = await rotate();
  await drive(first, inPhase("watch"));
  await endOverlap(first);
  await drive(first, isDone);
  const run = await rotate(true);
  expect(await drive(run, isDone)).toMatchObject({
    outcome: "rotated",
    urgent: true,
    phases: ["prepare", "create", "test", "promote", "retire", "confirm"],
  });
  expect(live()).toHaveLength(2);
  const events =
    await superuser`select reason from audit_events where action = 'rotation.rotate' and subject = ${run}`;
  expect(events).toEqual([{ reason: "incident" }]);
});

test("an urgent rotation without a purpose is refused", async () => {
  await setPolicy();
  const urgent = secrets.rotation.rotate(owner, { company: acme, secretKey: key, urgent: true });
  expect(await codeOf(urgent)).toBe("INVALID_INPUT");
  expect(live()).toHaveLength(1);
});

test("asking again while a rotation is under way answers with its id", async () => {
  await setPolicy();
  const ids = await Promise.all(Array.from({ length: 10 }, () => rotate()));
  expect(new Set(ids).size).toBe(1);
});

test("keys whose answers were lost are found by their names, and none is left", async () => {
  await setPolicy();
  sendgrid.faults.add({ fault: "dropAfter", method: "POST", path: "/v3/api_keys", times: 3 });
  const run = await rotate();
  await drive(run, inPhase("watch"));
  expect(live()).toEqual(["made by a person", expect.stringMatching(/-4$/)]);
  await endOverlap(run);
  await drive(run, isDone);
  expect(await credentials()).toEqual(["-1 retired", "-2 retired", "-3 retired", "-4 live"]);
});

test("a new key that is refused for a while is tested until it is accepted", async () => {
  await setPolicy();
  sendgrid.faults.add({ fault: "propagation", for: { calls: 4 } });
  const run = await rotate();
  await drive(run, inPhase("watch"));
  expect(live()).toHaveLength(2);
});

test.each([
  ["an HTML page", { fault: "html", method: "POST", path: "/v3/api_keys", times: "always" }],
  ["half a JSON", { fault: "halfJson", method: "POST", path: "/v3/api_keys", times: "always" }],
  ["no answer", { fault: "dropBefore", method: "POST", path: "/v3/api_keys", times: "always" }],
  ["503", { fault: "status", status: 503, method: "POST", path: "/v3/api_keys", times: "always" }],
] as const)("%s, always, ends in a failed run that leaves nothing behind", async (_, fault) => {
  await setPolicy();
  sendgrid.faults.add(fault);
  const run = await rotate();
  expect(await drive(run, isDone)).toMatchObject({ outcome: "failed", reason: "UNAVAILABLE" });
  expect(live()).toEqual(["made by a person"]);
  expect(await valueNow()).toBe(old.value);
  expect((await secretsOf(acme).history(key)).versions.filter(({ stage }) => stage === "pending")).toEqual(
    [],
  );
  const [policy] = (await secrets.rotation.list(owner, acme)).policies;
  expect(policy).toMatchObject({ failures: 1, state: "active", reason: "UNAVAILABLE" });
});

test("a limit of the provider is told; the second time in a row the policy is stuck, until it rotates again", async () => {
  await setPolicy({ schedule: { every: "P30D" } });
  sendgrid.faults.add({ fault: "limit", credentials: 1, times: "always" });
  for (const state of ["active", "stuck"] as const) {
    const run = await rotate();
    expect(await drive(run, isDone)).toMatchObject({ outcome: "failed", reason: "LIMIT" });
    const [policy] = (await secrets.rotation.list(owner, acme)).policies;
    expect(policy).toMatchObject({ state, reason: "LIMIT" });
  }
  expect(live()).toEqual(["made by a person"]);
  sendgrid.faults.clear();
  const run = await rotate();
  await drive(run, inPhase("watch"));
  await endOverlap(run);
  await drive(run, isDone);
  const [policy] = (await secrets.rotation.list(owner, acme)).policies;
  expect(policy).toMatchObject({ state: "active", failures: 0 });
});

test("a person who writes the secret overtakes the rotation: their value stays, and the new key is ended", async () => {
  await setPolicy();
  const run = await rotate();
  await drive(run, inPhase("test"));
  const mine = sendgrid.addKey({ name: "of the person" });
  await secretsOf(acme).set(key, mine.value);
  expect(await drive(run, isDone)).toMatchObject({ outcome: "failed", reason: "OVERTAKEN" });
  expect(await valueNow()).toBe(mine.value);
  expect(live()).toEqual(["made by a person", "of the person"]);
  const [policy] = (await secrets.rotation.list(owner, acme)).policies;
  expect(policy).toMatchObject({ state: "active", failures: 0 });
});

test("a secret that is removed before its new value is current stays removed, and the new key is listed as left", async () => {
  await setPolicy();
  const run = await rotate();
  await drive(run, inPhase("test"));
  await secretsOf(acme).remove(key);
  expect(await drive(run, isDone)).toMatchObject({ outcome: "failed", reason: "OVERTAKEN" });
  expect(await secretsOf(acme).find(key)).toBeUndefined();
  // Without the removed key there is none to end it with.
  expect(await credentials()).toEqual(["-1 orphan"]);
});

test("a person who stages another value instead keeps it pending, and the rotation leaves nothing", async () => {
  await setPolicy();
  const run = await rotate();
  await drive(run, inPhase("test"));
  const theirs = sendgrid.addKey({ name: "of the person" });
  await secretsOf(acme).stage(key, theirs.value, { replace: true });
  expect(await drive(run, isDone)).toMatchObject({ outcome: "failed", reason: "OVERTAKEN" });
  expect(live()).toEqual(["made by a person", "of the person"]);
  const { versions } = await secretsOf(acme).history(key);
  expect(versions.find(({ stage }) => stage === "pending")?.version).toBe(3);
});

test("a version that is pending already is not touched", async () => {
  await setPolicy();
  await secretsOf(acme).stage(key, sendgrid.addKey({ name: "theirs" }).value);
  const run = await rotate();
  expect(await drive(run, isDone)).toMatchObject({ outcome: "failed", reason: "PENDING_TAKEN" });
  expect((await secretsOf(acme).history(key)).versions[0]).toMatchObject({ stage: "pending" });
});

test("a new key that its provider refuses after it became current is replaced by the one before", async () => {
  await setPolicy();
  const run = await rotate();
  await drive(run, inPhase("watch"));
  const made = sendgrid.liveCredentials().find(({ name }) => name.startsWith("ts-"));
  sendgrid.deleteKey(made?.id ?? "");
  expect(await drive(run, isDone)).toMatchObject({ outcome: "fell-back", reason: "FELL_BACK" });
  expect(await valueNow()).toBe(old.value);
  expect(live()).toEqual(["made by a person"]);
  const [policy] = (await secrets.rotation.list(owner, acme)).policies;
  expect(policy).toMatchObject({ state: "paused", reason: "FELL_BACK" });
  expect(await actions(run)).toContain("secret.rollback success");
});

test("a person falls back while the old value is active, once", async () => {
  await setPolicy();
  const run = await rotate();
  await drive(run, inPhase("watch"));
  await secrets.rotation.people.fallBack(owner, { company: acme, run });
  expect(await drive(run, isDone)).toMatchObject({ outcome: "fell-back" });
  expect(await valueNow()).toBe(old.value);
  expect(await codeOf(secrets.rotation.people.fallBack(owner, { company: acme, run }))).toBe("CONFLICT");
});

test("a rotation that is aborted before its value is current leaves nothing", async () => {
  await setPolicy();
  const run = await rotate();
  await drive(run, inPhase("test"));
  expect(live()).toHaveLength(2);
  await secrets.rotation.people.abort(owner, { company: acme, run });
  expect(await drive(run, isDone)).toMatchObject({ outcome: "failed", reason: "ABORTED" });
  expect(live()).toEqual(["made by a person"]);
  expect(await codeOf(secrets.rotation.people.abort(owner, { company: acme, run }))).toBe("CONFLICT");
});

test("two processes at every step make one key", async () => {
  await setPolicy();
  const run = await rotate();
  const [one, other] = [processOf(), processOf()];
  for (let i = 0; i < 30; i++) {
    if ((await look(run)).phase === "watch") break;
    await due(run);
    const results = await Promise.allSettled(
      [one, other].map(async (each) => each.runs.work["rotate-secret"]?.(run, signal)),
    );
    for (const result of results)
      if (result.status === "rejected") expect(result.reason).toBeInstanceOf(RunDriven);
  }
  expect(await look(run)).toMatchObject({ phase: "watch" });
  expect(live()).toHaveLength(2);
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  "a process that is overtaken at its request %i to the provider, and goes on, leaves no key",
  async (nth) => {
    await setPolicy();
    const run = await rotate();
    if (nth > 1) sendgrid.faults.add({ fault: "delay", ms: 0, times: nth - 1 });
    sendgrid.faults.add({ fault: "delay", ms: 700 });
    const asked = sendgrid.requests().length;
    const other = processOf();
    const slow = (async () => {
      for (let i = 0; i < 6 && sendgrid.requests().length < asked + nth; i++) {
        await due(run);
        await secrets.runs.work["rotate-secret"]?.(run, signal).catch(() => {});
      }
    })();
    await vi.waitFor(() => expect(sendgrid.requests().length).toBeGreaterThanOrEqual(asked + nth), 60_000);
    await superuser`update runs set lease_until = now() - interval '1 second' where id = ${run}`;
    await drive(run, inPhase("watch"), other);
    await slow;
    await endOverlap(run);
    expect(await drive(run, isDone, other)).toMatchObject({ outcome: "rotated" });
    expect(live()).toEqual(["made by a person", expect.stringMatching(/^ts-/)]);
    expect(await secretsOf(acme).use(key, async (value) => value)).toBe(await valueNow());
  },
);

test("what is due is started once, and what comes next is counted from its end", async () => {
  const policy = await setPolicy({ schedule: { every: "P30D" } });
  const inDays = (Number(policy.nextDueAt) - Date.now()) / 86_400_000;
  expect(inDays).toBeGreaterThan(29.9);
  expect(inDays).toBeLessThan(30.1);
  expect(await secrets.rotation.startDue(signal)).toMatchObject({ started: 0 });
  await superuser`update rotation_policies set next_due_at = now() - interval '90 days'`;
  const due2 = await Promise.all([secrets.rotation.startDue(signal), secrets.rotation.startDue(signal)]);
  expect(due2.reduce((sum, { started }) => sum + started, 0)).toBe(1);
  const [run] = await secrets.rotation.runs(owner, { company: acme, unfinished: true, limit: 10 });
  expect(run).toMatchObject({ trigger: "schedule" });
  await drive(run?.id ?? "", inPhase("watch"));
  await endOverlap(run?.id ?? "");
  await drive(run?.id ?? "", isDone);
  const [after] = (await secrets.rotation.list(owner, acme)).policies;
  expect((Number(after?.nextDueAt) - Date.now()) / 86_400_000).toBeGreaterThan(29.9);
});

test("a value that a person writes restarts the clock", async () => {
  await setPolicy({ schedule: { every: "P30D" } });
  await superuser`update rotation_policies set next_due_at = now() - interval '1 day'`;
  await secretsOf(acme).set(key, sendgrid.addKey({ name: "newer" }).value);
  expect(await secrets.rotation.startDue(signal)).toMatchObject({ started: 0, recounted: 1 });
});

test("a paused policy and a suspended company start nothing", async () => {
  await setPolicy({ schedule: { every: "P30D" } });
  await superuser`update rotation_policies set next_due_at = now() - interval '1 day'`;
  await secrets.suspension.suspend(operator, acme);
  expect(await secrets.rotation.startDue(signal)).toMatchObject({ started: 0 });
  await secrets.suspension.resume(operator, acme);
  await secrets.rotation.pause(owner, { company: acme, secretKey: key });
  expect(await secrets.rotation.startDue(signal)).toMatchObject({ started: 0 });
});

test("a retry of a pause or a resume gets the state that the policy has, and a pause keeps its reason", async () => {
  await setPolicy();
  const name = { company: acme, secretKey: key };
  const change = async (step: "pause" | "resume") => {
    const { state, reason } = await secrets.rotation[step](owner, name);
    return [state, reason];
  };
  expect(await change("resume")).toEqual(["active", undefined]);
  expect(await change("pause")).toEqual(["paused", "PAUSED"]);
  await superuser`update rotation_policies set reason = 'FELL_BACK'`;
  expect(await change("pause")).toEqual(["paused", "FELL_BACK"]);
  expect(await change("resume")).toEqual(["active", undefined]);
  expect(await change("resume")).toEqual(["active", undefined]);
});

test.each([
  ["an unknown driver", { driver: "mailgun" }, "NOT_SUPPORTED"],
  ["settings that the driver does not take", { settings: '{"value":"x"}' }, "INVALID_INPUT"],
  ["settings that are no JSON", { settings: "a text" }, "INVALID_INPUT"],
  ["a schedule that is too frequent", { schedule: { every: "PT1M" } }, "INVALID_INPUT"],
  [
    "an overlap longer than the interval",
    { schedule: { every: "PT2H" }, overlapSeconds: 8000 },
    "INVALID_INPUT",
  ],
  ["itself as the manager", { manager: key }, "INVALID_INPUT"],
  ["a manager without a value", { manager: "CUSTOM_MANAGER" }, "INVALID_INPUT"],
] as const)("%s is refused", async (_, changes, code) => {
  expect(await codeOf(setPolicy(changes))).toBe(code);
  expect((await secrets.rotation.list(owner, acme)).policies).toEqual([]);
});

test("a company on Infisical has no rotation, and another company's is not found", async () => {
  await setPolicy();
  const run = await rotate();
  const elsewhere = await fixture.company("infisical");
  const stranger = await fixture.person(elsewhere, "owner");
  const name = { company: elsewhere, secretKey: key };
  expect(
    await codeOf(secrets.rotation.set(stranger, { ...name, driver: "sendgrid", overlapSeconds: 0 })),
  ).toBe("NOT_SUPPORTED");
  expect(await codeOf(secrets.rotation.run(stranger, elsewhere, run))).toBe("NOT_FOUND");
  expect(await codeOf(secrets.rotation.run(stranger, elsewhere, randomUUID()))).toBe("NOT_FOUND");
  expect(await codeOf(secrets.rotation.people.abort(stranger, { company: elsewhere, run }))).toBe(
    "NOT_FOUND",
  );
  expect(await codeOf(secrets.rotation.run(stranger, acme, run))).toBe("NOT_FOUND");
});

test("a rotation waits while its company is suspended, and goes on where it was", async () => {
  await setPolicy();
  const run = await rotate();
  await drive(run, inPhase("test"));
  await secrets.suspension.suspend(operator, acme);
  await due(run);
  await secrets.runs.work["rotate-secret"]?.(run, signal);
  await secrets.suspension.resume(operator, acme);
  expect(await look(run)).toMatchObject({ phase: "test", state: "waiting" });
  await drive(run, inPhase("watch"));
  expect(live()).toHaveLength(2);
});

test("no row, no event and no error of a rotation holds a value", async () => {
  await setPolicy();
  sendgrid.faults.add({ fault: "dropAfter", method: "POST", path: "/v3/api_keys" });
  const run = await rotate();
  await drive(run, inPhase("watch"));
  const rows = await superuser`
    select (select json_agg(r) from runs r) as runs, (select json_agg(c) from rotation_credentials c) as credentials,
      (select json_agg(p) from rotation_policies p) as policies, (select json_agg(e) from audit_events e) as events`;
  expect(JSON.stringify(rows)).not.toMatch(/SG\./);
});
