import { createOutbound } from "@repo/outbound";
import { startLocalSendgrid, type LocalSendgrid } from "@repo/providers/sendgrid";
import { TenantSecretsError } from "@repo/catalog";
import { afterAll, beforeAll, expect, test } from "vitest";
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
let marker: string;

/** A key that is left at the provider, since the run that made it cannot delete it. */
beforeAll(async () => {
  sendgrid = await startLocalSendgrid();
  secrets = fixture.another({
    outbound: createOutbound({ allow: [new URL(sendgrid.url).host] }),
    drivers: unpaced(rotationDrivers({ sendgrid: sendgrid.url })),
    checks: providerChecks({ sendgrid: sendgrid.url }),
  });
  acme = await fixture.company("database");
  owner = await fixture.person(acme, "owner");
  await secrets.company(acme, product).set(key, sendgrid.addKey({ name: "made by a person" }).value);
  const name = { company: acme, secretKey: key };
  await secrets.rotation.set(owner, { ...name, driver: "sendgrid", overlapSeconds: 3600 });
  const run = await secrets.rotation.rotate(owner, { ...name, urgent: false });
  await drive(run, "watch");
  sendgrid.faults.add({ fault: "status", status: 503, method: "DELETE", times: "always" });
  await secrets.rotation.people.fallBack(owner, { company: acme, run });
  await drive(run, "done");
  marker = (await orphans())[0] ?? "";
});
afterAll(() => sendgrid.stop());

async function drive(run: string, until: string): Promise<void> {
  for (let i = 0; i < 40; i++) {
    if ((await secrets.rotation.run(owner, acme, run)).phase === until) return;
    await superuser`update runs set not_before = now() where id = ${run} and not_before > now()`;
    await secrets.runs.work["rotate-secret"]?.(run, signal);
  }
  throw new Error(`the run does not come to ${until}`);
}
const orphans = async () => (await secrets.rotation.list(owner, acme)).policies[0]?.orphans ?? [];
const end = (changes: object = {}, by: Person = owner) =>
  secrets.rotation.endOrphan(by, { company: acme, secretKey: key, marker, ...changes });
const events = () =>
  superuser`select outcome, reason, secret_key, version, subject from audit_events where action = 'rotation.end-orphan' order by position`;

test("what is no orphan, is not there or is another company's is refused, and stays as it is", async () => {
  expect(await orphans()).toEqual([expect.stringMatching(/^ts-[0-9a-f]{12}-1$/)]);
  await superuser`update rotation_credentials set state = 'live'`;
  await expect(end()).rejects.toMatchObject({
    code: "CONFLICT",
    message: "This credential is not left at the provider: it is in use, or a rotation ends it.",
  });
  await superuser`update rotation_credentials set state = 'orphan'`;

  const stranger = await fixture.person(await fixture.company("database"), "owner");
  const elsewhere = await fixture.company("database");
  const outsider = await fixture.person(elsewhere, "owner");
  const told = async (call: Promise<void>): Promise<string> => {
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof TenantSecretsError)) throw new Error("it was not refused", { cause: error });
    return JSON.stringify([error.message, Object.entries(error)]);
  };
  const unknown = await told(end({ marker: "ts-0123456789ab-1" }));
  expect(unknown).toContain("NOT_FOUND");
  for (const call of [
    () => end({}, stranger),
    () => end({ company: elsewhere }, outsider),
    () => end({ secretKey: "STRIPE_SECRET_KEY" }),
    () => end({ marker: "made by a person" }),
    () => end({ marker: `${marker}\0` }),
    () => end({ secretKey: `${key}\0` }),
  ])
    expect(await told(call())).toBe(unknown);
  expect(await codeOf(end({}, await fixture.person(acme, "member")))).toBe("FORBIDDEN");
  expect(await orphans()).toEqual([marker]);
});

test("an orphan that a person has ended is listed no more, and its end is audited, also when it is said twice", async () => {
  await superuser`delete from rotation_policies`;
  const before = (await events()).length;
  await end();
  await end();
  const said = { outcome: "success", reason: null, secret_key: key, version: 2, subject: marker };
  expect((await events()).slice(before)).toEqual(Array.from({ length: 2 }, () => said));
  const [row] = await superuser`select state from rotation_credentials where marker = ${marker}`;
  expect(row?.["state"]).toBe("retired");
  await secrets.rotation.set(owner, {
    company: acme,
    secretKey: key,
    driver: "sendgrid",
    overlapSeconds: 3600,
  });
  expect(await orphans()).toEqual([]);
});
