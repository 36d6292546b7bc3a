import { createCipheriv, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { createOutbound } from "@repo/outbound";
import { startLocalSendgrid } from "@repo/providers/sendgrid";
import { whenDone } from "@repo/db/testing";
import { expect, test } from "vitest";
import { providerChecks } from "../../providers/provider-checks.ts";
import { rotationDrivers } from "../../rotation/drivers/drivers.ts";
import { codeOf, createFixture, operator, product } from "../../testing/fixture.ts";
import { createMigrator, toDatabase } from "../../testing/migrating.ts";
import { createMirrors } from "../../testing/mirrored.ts";
import { withCommitPoints, withRequestPoints } from "../../testing/points.ts";
import { unpaced } from "../../testing/unpaced.ts";

// A deletion whose date comes in the middle of something else. Each time: it comes to its end, nothing of the company opens, another
// company is as it was, and what else was under way has ended.

const fixture = await createFixture();
const { secrets, superuser, infisical } = fixture;
await secrets.prepare();
const { signal } = new AbortController();
const asked = { afterDays: 30, backupsKeptDays: 14, withInfisicalFolder: true };

const idOf = async (company: string): Promise<string> => (await secrets.companies.get(operator, company)).id;

/** As if the days had passed, and every lease with them. */
async function comeToDate(run: string): Promise<void> {
  await superuser`update runs set not_before = null, input = jsonb_set(input, '{deleteAtMs}', to_jsonb(0)) where id = ${run}`;
}

/** From the request to the end, as its jobs do it. */
async function deleteNow(company: string): Promise<void> {
  const { run } = await secrets.deletions.schedule(operator, company, asked);
  await comeToDate(run);
  await fixture.another().runs.work["delete-company"]?.(run, signal);
  expect(await secrets.deletions.get(operator, company)).toMatchObject({ state: "deleted" });
}

/** What is left of a company that must not be. */
async function leftOf(id: string, company: string) {
  const [rows] = await superuser`select
    (select count(*)::int from company_key_wraps where company_id = ${id}) as wraps,
    (select count(*)::int from company_keys where company_id = ${id} and status <> 'destroyed') as keys,
    (select count(*)::int from company_secrets where company_id = ${id} and secret_value_encrypted not in ('destroyed')) as values,
    (select count(*)::int from company_secret_versions where company_id = ${id} and value_encrypted is not null) as versions,
    (select count(*)::int from runs where company_id = ${id} and finished_at is null) as runs,
    (select count(*)::int from rotation_policies where company_id = ${id}) as policies,
    (select count(*)::int from rotation_credentials where company_id = ${id}) as credentials,
    (select count(*)::int from store_holds where company_id = ${id}) as holds,
    (select count(*)::int from memberships where company_id = ${id}) as people`;
  const folder = await infisical.listSecretSummaries(`/tenants/${company}`);
  return { ...rows, folder: folder.length };
}
const nothing = {
  wraps: 0,
  keys: 0,
  values: 0,
  versions: 0,
  runs: 0,
  policies: 0,
  credentials: 0,
  holds: 0,
  people: 0,
  folder: 0,
};

async function expectGone(id: string, company: string): Promise<void> {
  expect(await leftOf(id, company)).toEqual(nothing);
  expect(await codeOf(fixture.another().company(company, product).get("CUSTOM_A"))).toBe("NOT_FOUND");
  await secrets.flush();
  expect((await secrets.audit.verify(operator, { settledAfterMs: 0 })).findings).toEqual([]);
}

async function inFolder(): Promise<string> {
  const company = await fixture.company("infisical");
  for (const name of ["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"])
    await infisical.putSecret(`/tenants/${company}`, name, `fake-${name}-0001`);
  return company;
}

async function inDatabase(): Promise<string> {
  const company = await fixture.company("database");
  await secrets.company(company, product).set("CUSTOM_A", "fake-custom-0001");
  await fixture.person(company, "owner");
  return company;
}

const valueOf = (company: string) => fixture.another().company(company, product).get("CUSTOM_A");

/** Every third point of a migration of two companies: a commit, or a request to Infisical. */
const points = Array.from({ length: 8 }, (_, i) => 3 * i);

test.each(points)(
  "a migration goes on to its end when a company of it is deleted at its point %d, and takes the other one along",
  async (point) => {
    const [company, other] = [await inFolder(), await inFolder()];
    const id = await idOf(company);
    let reached = 0;
    let deleting: Promise<void> | undefined;
    const reach = async (): Promise<void> => {
      if (reached++ !== point) return;
      deleting = deleteNow(company);
      // At a commit it waits for the locks of the transaction that is to be committed.
      await Promise.race([deleting, sleep(250)]);
    };
    const migrating = fixture.another({
      database: withCommitPoints(fixture.database, reach),
      infisical: withRequestPoints(infisical, reach),
    });
    const { run, companies } = await createMigrator({ secrets: migrating }).migrate(
      [company, other],
      toDatabase,
    );
    await (deleting ?? deleteNow(company));
    const { row } = await secrets.migrations.run.get(run);
    expect(row.state).toBe("done");
    const [of, another] = companies;
    expect(["done", "blocked", "failed"]).toContain(of?.state);
    expect(another?.state).toBe("done");
    await expectGone(id, company);
    expect(await valueOf(other)).toBe("fake-CUSTOM_A-0001");
    expect(await secrets.companies.get(operator, other)).toMatchObject({ secretStore: "database" });
  },
);

test("a rotation of the company's key that is under way ends as cancelled", async () => {
  const [company, other] = [await inDatabase(), await inDatabase()];
  for (let i = 0; i < 60; i++) await secrets.company(company, product).set(`CUSTOM_N${i}`, `fake-value-${i}`);
  const id = await idOf(company);
  let deleted: Promise<void> | undefined;
  const rotation = fixture.another().companyKeyRotation.rotateCompanyKey(operator, company, async () => {
    deleted ??= deleteNow(company);
    await deleted;
  });
  const code = await codeOf(rotation);
  await deleted;
  expect(["KEY_DESTROYED", "CONFLICT", "NOT_FOUND"]).toContain(code);
  const [run] =
    await superuser`select state, error_code as error from runs where kind = 'rotate-company-key' and subject = ${id}`;
  expect({ ...run }).toMatchObject({ state: "cancelled" });
  await expectGone(id, company);
  expect(await valueOf(other)).toBe("fake-custom-0001");
});

test("a rotation of the master key goes on to its end, in whatever phase a company is deleted", async () => {
  const phases = [
    "stage is done",
    "distribute is done",
    "activate is done",
    "rewrap begins",
    "verify begins",
  ];
  for (const phase of phases) {
    const [company, other] = [await inDatabase(), await inDatabase()];
    const id = await idOf(company);
    const steps: string[] = [];
    await fixture.another().keyRotation.rotate(operator, {
      backup: () => Promise.resolve("sha256:fake"),
      onStep: async ([at, done]) => {
        steps.push(`${at} ${done}`);
        if (`${at} ${done}` === phase) await deleteNow(company);
      },
    });
    expect(steps.at(-1)).toBe("report is done");
    expect(steps).toContain(phase);
    await expectGone(id, company);
    expect(await valueOf(other)).toBe("fake-custom-0001");
  }
}, 180_000);

test("a rotation of a secret that waits in its overlap is cancelled, and the receipt names what stays at the provider", async () => {
  const sendgrid = await startLocalSendgrid();
  whenDone(() => sendgrid.stop());
  const rotating = fixture.another({
    outbound: createOutbound({ allow: [new URL(sendgrid.url).host] }),
    drivers: unpaced(rotationDrivers({ sendgrid: sendgrid.url })),
    checks: providerChecks({ sendgrid: sendgrid.url }),
  });
  const company = await inDatabase();
  const id = await idOf(company);
  const owner = await fixture.person(company, "owner");
  const scopes = ["mail.send", "api_keys.create", "api_keys.read", "api_keys.delete"];
  const old = sendgrid.addKey({ name: "made by a person", scopes });
  const secretKey = "SENDGRID_API_KEY";
  await rotating.company(company, product).set(secretKey, old.value);
  await rotating.rotation.set(owner, { company, secretKey, driver: "sendgrid", overlapSeconds: 3600 });
  const run = await rotating.rotation.rotate(owner, { company, secretKey, urgent: false });
  for (let i = 0; i < 20; i++) {
    await superuser`update runs set not_before = now() where id = ${run} and not_before > now()`;
    await rotating.runs.work["rotate-secret"]?.(run, signal);
    if ((await rotating.rotation.run(owner, company, run)).phase === "watch") break;
  }
  const [made] = sendgrid.liveCredentials().filter(({ name }) => name !== "made by a person");
  await deleteNow(company);
  await rotating.runs.work["rotate-secret"]?.(run, signal);
  const [ended] = await superuser`select state, error_message as message from runs where id = ${run}`;
  expect({ ...ended }).toEqual({ state: "cancelled", message: "The company was deleted." });
  const { receipt } = await secrets.deletions.get(operator, company);
  expect(JSON.parse(receipt?.receipt ?? "")).toMatchObject({
    atProviders: [{ secretKey, name: made?.name }],
  });
  await expectGone(id, company);
  expect(await rotating.rotation.measure()).toMatchObject({ orphans: 0, runs: { stopped: 0 } });
});

test("an import that is under way writes nothing that is left, and imports the other company", async () => {
  const key = await infisical.findSecret("/hono-api", "MASTER_ENCRYPTION_KEY");
  const encrypted = (value: string): string => {
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", Buffer.from(key?.value ?? "", "hex"), iv);
    const body = Buffer.concat([cipher.update(value), cipher.final()]);
    return [iv, body, cipher.getAuthTag()].map((part) => part.toString("hex")).join(":");
  };
  const [company, other] = [await inDatabase(), await inDatabase()];
  const id = await idOf(company);
  const rows = Array.from({ length: 12 }, (_, i) => ({
    company: i % 2 === 0 ? company : other,
    secretKey: `CUSTOM_I${i}`,
    encrypted: encrypted(`fake-imported-${i}`),
  }));
  const source = (async function* () {
    yield rows.slice(0, 6);
    await deleteNow(company);
    yield rows.slice(6);
  })();
  const outcomes: string[] = [];
  await fixture.another().importLegacy(operator, source, {
    keyName: "MASTER_ENCRYPTION_KEY",
    customUnknown: false,
    dryRun: false,
    onOutcome: ({ result }) => void outcomes.push(result),
  });
  expect(outcomes.filter((result) => result === "imported")).toHaveLength(9);
  expect(outcomes.filter((result) => result === "bad")).toHaveLength(3);
  await expectGone(id, company);
  const imported = fixture.another().company(other, product);
  expect(await imported.get("CUSTOM_I11")).toBe("fake-imported-11");
});

test("writes in progress when the date comes are refused by name, and none is left", async () => {
  const company = await inDatabase();
  const id = await idOf(company);
  const codes = new Set<string>();
  const stop = new AbortController();
  const writers = Array.from({ length: 8 }, async (_, i) => {
    const writer = fixture.another().company(company, product);
    while (!stop.signal.aborted) codes.add(await codeOf(writer.set(`CUSTOM_W${i}`, "fake-written")));
  });
  await sleep(300);
  await deleteNow(company);
  stop.abort();
  await Promise.all(writers);
  for (const code of codes)
    expect(["no error", "COMPANY_SUSPENDED", "KEY_DESTROYED", "NOT_FOUND"]).toContain(code);
  await expectGone(id, company);
});

test("a mirror writes nothing into the folder of a company that is deleted, and goes on for another", async () => {
  const mirrors = createMirrors(fixture);
  const company = await mirrors.mirrored(["CUSTOM_A", "CUSTOM_B"]);
  const other = await mirrors.mirrored(["CUSTOM_A"]);
  await company.handle.set("CUSTOM_A", "fake-second");
  const passes = Array.from({ length: 3 }, () => codeOf(company.mirror()));
  await Promise.all([...passes, deleteNow(company.subdomain)]);
  expect(await codeOf(company.mirror())).not.toBe("INTERNAL");
  await expectGone(company.id, company.subdomain);
  await other.handle.set("CUSTOM_A", "fake-third");
  await other.mirror();
  expect(await infisical.findSecret(other.path, "CUSTOM_A")).toMatchObject({ value: "fake-third" });
});
