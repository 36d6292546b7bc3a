import { createOutbound } from "@repo/outbound";
import { startLocalSendgrid, type LocalSendgrid } from "@repo/providers/sendgrid";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { RotationRunDescription } from "@repo/catalog";
import { mostAttempts } from "../runs/lease.ts";
import { codeOf, createFixture, type Person, product } from "../testing/fixture.ts";
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

beforeAll(async () => {
  sendgrid = await startLocalSendgrid();
  secrets = fixture.another({
    outbound: createOutbound({ allow: [new URL(sendgrid.url).host] }),
    drivers: unpaced(rotationDrivers({ sendgrid: sendgrid.url })),
    checks: providerChecks({ sendgrid: sendgrid.url }),
  });
});
afterAll(() => sendgrid.stop());

beforeEach(async () => {
  await superuser`delete from rotation_policies`;
  acme = await fixture.company("database");
  owner = await fixture.person(acme, "owner");
  sendgrid.faults.clear();
  await write();
});

const scopes = ["mail.send", "api_keys.create", "api_keys.read", "api_keys.delete"];
const write = () =>
  secrets.company(acme, product).set(key, sendgrid.addKey({ name: "made by a person", scopes }).value);
const name = () => ({ company: acme, secretKey: key });
const setPolicy = (schedule: object | undefined = { every: "P30D", at: "03:00", zone: "Europe/Berlin" }) =>
  secrets.rotation.set(owner, { ...name(), driver: "sendgrid", overlapSeconds: 3600, schedule });
const policyNow = async () => (await secrets.rotation.list(owner, acme)).policies[0];
const dueInRow = async () =>
  (await superuser<{ at: Date | null }[]>`select next_due_at as at from rotation_policies`)[0]?.at;
const events = async (action: string) =>
  (
    await superuser<{ words: string }[]>`
      select concat_ws(' ', outcome, reason) as words from audit_events e join companies c on c.id = e.company_id
      where c.subdomain = ${acme} and action = ${action} order by position`
  ).map(({ words }) => words);

async function drive(run: string, until: (run: RotationRunDescription) => boolean): Promise<void> {
  for (let i = 0; i < 40; i++) {
    if (until(await secrets.rotation.run(owner, acme, run))) return;
    await superuser`update runs set not_before = now() where id = ${run} and not_before > now()`;
    await secrets.runs.work["rotate-secret"]?.(run, signal);
  }
  throw new Error(`the run is at ${JSON.stringify(await secrets.rotation.run(owner, acme, run))}`);
}
const isDone = ({ state }: RotationRunDescription): boolean => state === "done";

/** As if the time zone data of the process were another one since the schedule was stored. */
const storeSchedule = (schedule: object) =>
  superuser`update rotation_policies set schedule = ${JSON.stringify(schedule)}::text::jsonb`;
const berlin = { every: "P30D", at: "03:00", zone: "Europe/Berlin" };

test.each([
  ["a zone that the time zone data does not know", { ...berlin, zone: "Europe/Atlantis" }],
  ["a schedule that cannot be read", { every: "monthly" }],
])("%s makes the policy stuck, and the time that was counted last stands", async (_, schedule) => {
  await setPolicy();
  const due = await dueInRow();
  expect(due).toBeInstanceOf(Date);
  await storeSchedule(schedule);
  await write();
  expect(await secrets.rotation.startDue(signal)).toMatchObject({ recounted: 1 });
  expect(await policyNow()).toMatchObject({ state: "stuck", reason: "ZONE" });
  expect(await dueInRow()).toEqual(due);
  expect(await events("rotation.stick")).toEqual(["success ZONE"]);
  expect(await secrets.rotation.startDue(signal)).toMatchObject({ recounted: 0 });
  expect(await events("rotation.stick")).toHaveLength(1);
});

test("a policy that is stuck for its zone stays so when it is resumed, until the zone is known", async () => {
  await setPolicy();
  await storeSchedule({ ...berlin, zone: "Europe/Atlantis" });
  await write();
  await secrets.rotation.startDue(signal);
  expect(await secrets.rotation.resume(owner, name())).toMatchObject({ state: "stuck", reason: "ZONE" });
  await storeSchedule(berlin);
  const resumed = await secrets.rotation.resume(owner, name());
  expect(resumed).toMatchObject({ state: "active", nextDueAt: expect.any(Date) });
  expect(resumed.reason).toBeUndefined();
  await superuser`update rotation_policies set next_due_at = now()`;
  expect(await secrets.rotation.startDue(signal)).toMatchObject({ started: 1 });
});

test("a run that rotates leaves its policy stuck where the zone is not known, and a policy that is paused stays so", async () => {
  await setPolicy();
  await storeSchedule({ ...berlin, zone: "Europe/Atlantis" });
  const rotate = () => secrets.rotation.rotate(owner, { ...name(), urgent: true, purpose: "incident" });
  await drive(await rotate(), isDone);
  expect(await policyNow()).toMatchObject({
    state: "stuck",
    reason: "ZONE",
    lastRun: { outcome: "rotated" },
  });
  expect(await events("rotation.stick")).toEqual(["success ZONE"]);
  await secrets.rotation.pause(owner, name());
  await drive(await rotate(), isDone);
  expect(await policyNow()).toMatchObject({ state: "paused" });
  expect(await events("rotation.stick")).toHaveLength(1);
});

/** A row whose MAC is another one stops the run. The second time it is mended. */
const damage = () => superuser`update company_secrets set mac = set_byte(mac, 0, 255 - get_byte(mac, 0))`;

/** A run that has failed until one attempt is left, and fails twice more. */
async function startStopped(): Promise<string> {
  const run = await secrets.rotation.rotate(owner, { ...name(), urgent: true, purpose: "incident" });
  await superuser`delete from graphile_worker._private_jobs`;
  await damage();
  await superuser`update runs set attempts = ${mostAttempts - 2} where id = ${run}`;
  const fail = async () => secrets.runs.work["rotate-secret"]?.(run, signal);
  expect(await codeOf(fail())).toBe("INTEGRITY_FAILURE");
  expect(await policyNow()).toMatchObject({ state: "active", lastRun: { state: "running" } });
  expect(await codeOf(fail())).toBe("INTEGRITY_FAILURE");
  await damage();
  return run;
}

test.each(["resume", "rotate"] as const)(
  "a run that was given up makes its policy stuck, and goes on after %s",
  async (step) => {
    await setPolicy();
    const run = await startStopped();
    expect(await policyNow()).toMatchObject({
      state: "stuck",
      reason: "STOPPED",
      lastRun: { id: run, state: "stopped" },
    });
    expect(await events("rotation.run")).toEqual(["failed STOPPED"]);
    expect(await events("rotation.stick")).toEqual(["success STOPPED"]);
    if (step === "resume")
      expect(await secrets.rotation.resume(owner, name())).toMatchObject({ state: "active" });
    else
      expect(await secrets.rotation.rotate(owner, { ...name(), urgent: true, purpose: "incident" })).toBe(
        run,
      );
    const jobs = await superuser`select from graphile_worker._private_jobs where payload->>'run' = ${run}`;
    expect(jobs).toHaveLength(1);
    await drive(run, isDone);
    expect(await policyNow()).toMatchObject({ state: "active", lastRun: { id: run, outcome: "rotated" } });
  },
);

test("a policy that is paused stays so when its run is given up, and the failure is told", async () => {
  await setPolicy();
  const run = await secrets.rotation.rotate(owner, { ...name(), urgent: true, purpose: "incident" });
  await secrets.rotation.pause(owner, name());
  await damage();
  await superuser`update runs set attempts = ${mostAttempts - 1} where id = ${run}`;
  const failed = Promise.resolve(secrets.runs.work["rotate-secret"]?.(run, signal));
  expect(await codeOf(failed)).toBe("INTEGRITY_FAILURE");
  await damage();
  expect(await policyNow()).toMatchObject({
    state: "paused",
    reason: "PAUSED",
    lastRun: { state: "stopped" },
  });
  expect(await events("rotation.run")).toEqual(["failed STOPPED"]);
  expect(await events("rotation.stick")).toEqual([]);
});

test("a policy that is stuck is told of once a day, by however many processes, until it is resumed", async () => {
  await setPolicy();
  await superuser`update rotation_policies set updated_at = now() - interval '3 days'`;
  await startStopped();
  const remind = async () => {
    const looks = await Promise.all([1, 2, 3].map(() => secrets.rotation.startDue(signal)));
    return looks.reduce((sum, { reminded }) => sum + reminded, 0);
  };
  const aDayLater = () => superuser`update rotation_policies set updated_at = updated_at - interval '1 day'`;
  expect(await remind()).toBe(0);
  for (let day = 1; day <= 2; day++) {
    await aDayLater();
    expect(await remind()).toBe(1);
    expect(await remind()).toBe(0);
    expect(await events("rotation.stick")).toEqual(Array.from({ length: day + 1 }, () => "success STOPPED"));
  }
  await secrets.rotation.resume(owner, name());
  await aDayLater();
  expect(await remind()).toBe(0);
});
