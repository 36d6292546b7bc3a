import { setTimeout as sleep } from "node:timers/promises";
import { createAwsKms } from "@repo/external-keys";
import { startLocalKms } from "@repo/external-keys/emulator";
import postgres from "postgres";
import { afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { whenDone } from "@repo/db/testing";
import { backToInfisical } from "../../testing/migrating.ts";
import { withCommitPoints } from "../../testing/points.ts";
import { codeOf, createFixture, operator, product, type Fixture } from "../../testing/fixture.ts";

const kms = await startLocalKms();
whenDone(() => kms.stop());
afterEach(() => kms.fail(undefined));

/** Of a key that the local KMS has opened, so that a test waits for its end. */
const ttlMs = 2000;
const externalKeys = createAwsKms({ ...kms, deadlineMs: 1000 });
const withKms = { externalKeys, externalKeyTtlMs: ttlMs };

let fixture: Fixture;
let secrets: Fixture["secrets"];

beforeAll(async () => {
  fixture = await createFixture();
  secrets = fixture.another(withKms);
});

const untilTheEnd = () => sleep(ttlMs + 100);

/** Does what the job does. */
const rotate = (subdomain: string, by = secrets) =>
  by.companyKeyRotation.rotateCompanyKey(operator, subdomain);

async function filled(): Promise<string> {
  const subdomain = await fixture.company("database");
  const acme = secrets.company(subdomain, product);
  await acme.set("CUSTOM_A", "first");
  await acme.set("CUSTOM_A", "second");
  await acme.set("CUSTOM_B", "other");
  return subdomain;
}

/** A company under its own key, with nothing left under another. */
async function underOwnKey(key = kms.addKey()) {
  const subdomain = await filled();
  const owner = await fixture.person(subdomain, "owner");
  await secrets.externalKey.set(owner, subdomain, key.arn);
  await rotate(subdomain);
  expect(await secrets.externalKey.get(owner, subdomain)).toEqual({
    state: "in-force",
    key: key.arn,
    answer: "opens",
  });
  return { subdomain, owner, key, read: () => secrets.company(subdomain, product).get("CUSTOM_A") };
}

async function wrapsOf(subdomain: string): Promise<string[]> {
  const rows = await fixture.superuser`
    select w.key_version || ' ' || k.status || ' ' || left(w.wrapped, 3) as text from company_key_wraps w
    join company_keys k using (company_id, key_version) join companies c on c.id = w.company_id
    where c.subdomain = ${subdomain} order by w.key_version`;
  return rows.map((row) => String(row["text"]));
}

const denied = { code: "KEY_UNAVAILABLE", message: expect.stringContaining("refuses to use that key") };
const down = { code: "KEY_UNAVAILABLE", retryAfterMs: 2000 };

describe("a company's own key", () => {
  test("wraps a new key of the company, and the earlier one is destroyed before it is said to be in force", async () => {
    const subdomain = await filled();
    const key = kms.addKey();
    const owner = await fixture.person(subdomain, "owner");
    expect(await secrets.externalKey.get(owner, subdomain)).toEqual({ state: "none" });
    expect(await secrets.externalKey.set(owner, subdomain, key.arn)).toEqual({
      state: "changing",
      key: key.arn,
      answer: "opens",
    });
    expect(await wrapsOf(subdomain)).toEqual(["1 retiring tk1", "2 active tx1"]);
    expect(await secrets.company(subdomain, product).get("CUSTOM_A")).toBe("second");
    await rotate(subdomain);
    expect(await wrapsOf(subdomain)).toEqual(["2 active tx1"]);
    expect((await secrets.externalKey.get(owner, subdomain)).state).toBe("in-force");
    const fresh = fixture.another(withKms).company(subdomain, product);
    expect(await fresh.get("CUSTOM_A")).toBe("second");
    await fresh.set("CUSTOM_A", "third");
    expect(await fresh.get("CUSTOM_A")).toBe("third");
  });

  test("is set and removed again by a company that never had a value", async () => {
    const subdomain = await fixture.company("database");
    const owner = await fixture.person(subdomain, "owner");
    const key = kms.addKey();
    expect((await secrets.externalKey.set(owner, subdomain, key.arn)).key).toBe(key.arn);
    await rotate(subdomain);
    expect(await secrets.externalKey.remove(owner, subdomain)).toEqual({ state: "removing" });
    await rotate(subdomain);
    expect(await wrapsOf(subdomain)).toEqual(["3 active tk1"]);
  });

  test("is removed only while it opens, and nothing depends on it at the end", async () => {
    const { subdomain, owner, key, read } = await underOwnKey();
    key.enabled = false;
    await untilTheEnd();
    await expect(secrets.externalKey.remove(owner, subdomain)).rejects.toMatchObject(denied);
    expect(await wrapsOf(subdomain)).toEqual(["2 active tx1"]);
    key.enabled = true;
    await sleep(2100);
    expect(await secrets.externalKey.remove(owner, subdomain)).toEqual({ state: "removing" });
    await rotate(subdomain);
    kms.destroyKey(key.arn);
    await untilTheEnd();
    expect(await read()).toBe("second");
    expect(await secrets.externalKey.get(owner, subdomain)).toEqual({ state: "none" });
  });

  test("is replaced by another one in the same way, and the first one is of no use then", async () => {
    const { subdomain, owner, key, read } = await underOwnKey();
    const next = kms.addKey("eu-west-1");
    expect((await secrets.externalKey.set(owner, subdomain, next.arn)).state).toBe("changing");
    await rotate(subdomain);
    kms.destroyKey(key.arn);
    await untilTheEnd();
    expect(await read()).toBe("second");
    expect(await secrets.externalKey.get(owner, subdomain)).toEqual({
      state: "in-force",
      key: next.arn,
      answer: "opens",
    });
  });

  test("stays in every later rotation of the company's key", async () => {
    const { subdomain, read } = await underOwnKey();
    expect((await rotate(subdomain)).keyVersion).toBe(3);
    expect(await wrapsOf(subdomain)).toEqual(["3 active tx1"]);
    expect(await read()).toBe("second");
  });

  test("of two companies may be the same", async () => {
    const key = kms.addKey();
    const [one, two] = [await underOwnKey(key), await underOwnKey(key)];
    expect([await one.read(), await two.read()]).toEqual(["second", "second"]);
  });

  test("set twice is set once", async () => {
    const { subdomain, owner, key } = await underOwnKey();
    await secrets.externalKey.set(owner, subdomain, key.arn);
    expect(await wrapsOf(subdomain)).toEqual(["2 active tx1"]);
  });

  test("two keys that are set at once end with one of them in force", async () => {
    const subdomain = await filled();
    const owner = await fixture.person(subdomain, "owner");
    const keys = [kms.addKey(), kms.addKey()];
    await Promise.all(keys.map(({ arn }) => secrets.externalKey.set(owner, subdomain, arn)));
    await rotate(subdomain);
    const { state, key } = await secrets.externalKey.get(owner, subdomain);
    expect(state).toBe("in-force");
    expect(keys.map(({ arn }) => arn)).toContain(key);
    expect(await secrets.company(subdomain, product).get("CUSTOM_A")).toBe("second");
  });
});

describe("who may", () => {
  test("an owner sets, replaces and removes it; an operator sets the first one alone", async () => {
    const subdomain = await filled();
    const [first, second] = [kms.addKey(), kms.addKey()];
    const { externalKey } = secrets;
    expect((await externalKey.set(operator, subdomain, first.arn)).key).toBe(first.arn);
    await rotate(subdomain);
    expect(await codeOf(externalKey.set(operator, subdomain, second.arn))).toBe("FORBIDDEN");
    expect(await codeOf(externalKey.remove(operator, subdomain))).toBe("FORBIDDEN");
    const owner = await fixture.person(subdomain, "owner");
    expect((await externalKey.set(owner, subdomain, second.arn)).key).toBe(second.arn);
  });

  test("admins, members, product code and the owner of another company set none", async () => {
    const [subdomain, other] = [await filled(), await filled()];
    const { arn } = kms.addKey();
    for (const role of ["admin", "member", "auditor"] as const) {
      const person = await fixture.person(subdomain, role);
      expect(await codeOf(secrets.externalKey.set(person, subdomain, arn))).toBe("FORBIDDEN");
      expect(await codeOf(secrets.externalKey.remove(person, subdomain))).toBe("FORBIDDEN");
    }
    const stranger = await fixture.person(other, "owner");
    expect(await codeOf(secrets.externalKey.set(stranger, subdomain, arn))).toBe("NOT_FOUND");
    expect(await codeOf(secrets.externalKey.get(stranger, subdomain))).toBe("NOT_FOUND");
    expect(await codeOf(secrets.externalKey.set(product, subdomain, arn))).toBe("FORBIDDEN");
    expect(await wrapsOf(subdomain)).toEqual(["1 active tk1"]);
  });

  test.each([
    ["a path", "../"],
    ["an alias", "alias/acme"],
    ["the ARN of an alias", "arn:aws:kms:eu-central-1:111122223333:alias/acme"],
    ["a NUL", "arn:aws:kms:eu-central-1:111122223333:key/a\0"],
    ["65,537 bytes", "x".repeat(65_537)],
  ])("a text that is not the ARN of a key is refused, and no service is asked: %s", async (_, text) => {
    const subdomain = await fixture.company("database");
    const before = kms.calls.length;
    expect(await codeOf(secrets.externalKey.set(operator, subdomain, text))).toBe("INVALID_INPUT");
    expect(kms.calls.length).toBe(before);
  });

  test("a key that does not work is not set", async () => {
    const subdomain = await filled();
    const set = (arn: string) => codeOf(secrets.externalKey.set(operator, subdomain, arn));
    const key = kms.addKey();
    expect(await set(key.arn.replace("eu-central-1", "eu-west-2"))).toBe("CONFLICT");
    key.granted = false;
    expect(await set(key.arn)).toBe("CONFLICT");
    key.granted = true;
    kms.fail({ kind: "status", status: 500 });
    expect(await set(key.arn)).toBe("KEY_UNAVAILABLE");
    kms.fail({ kind: "hang" });
    expect(await set(key.arn)).toBe("KEY_UNAVAILABLE");
    kms.fail({ kind: "plaintext", bytes: 32 });
    expect(await set(key.arn)).toBe("CONFLICT");
    expect(await wrapsOf(subdomain)).toEqual(["1 active tk1"]);
    expect(await secrets.company(subdomain, product).get("CUSTOM_A")).toBe("second");
  });

  test("a company with values in Infisical gets none", async () => {
    const { arn } = kms.addKey();
    for (const store of ["hybrid", "infisical"] as const)
      expect(await codeOf(secrets.externalKey.set(operator, await fixture.company(store), arn))).toBe(
        "CONFLICT",
      );
  });

  test("a company under its own key gets no mirror in Infisical, and is not rolled back to it", async () => {
    const { subdomain } = await underOwnKey();
    await fixture.superuser`insert into company_stores (company_id, left_in, changed_at)
      select id, 'infisical', now() from companies where subdomain = ${subdomain}`;
    expect(await codeOf(secrets.mirroring.set(operator, { companies: [subdomain], isOn: true }))).toBe(
      "CONFLICT",
    );
    const back = secrets.migrations.begin(operator, {
      ...backToInfisical,
      companies: [subdomain],
      ratePerMinute: null,
    });
    expect(await codeOf(back)).toBe("CONFLICT");
  });

  test("what was done is in the audit log", async () => {
    const { subdomain, owner } = await underOwnKey();
    await secrets.externalKey.remove(owner, subdomain);
    await secrets.flush();
    const events = await fixture.superuser`
      select action, outcome, version from audit_events e join companies c on c.id = e.company_id
      where c.subdomain = ${subdomain} and action like 'company.%external-key' and action <> 'company.external-key' order by position`;
    expect(events.map((event) => ({ ...event }))).toEqual([
      { action: "company.set-external-key", outcome: "success", version: 2 },
      { action: "company.remove-external-key", outcome: "success", version: 3 },
    ]);
  });
});

describe("a key that is taken back", () => {
  test("opens nothing of its company after the time of an opened key, in any process, and everything once it is back", async () => {
    const { subdomain, owner, key, read } = await underOwnKey();
    const other = await filled();
    const caching = fixture.another(withKms);
    const serving = await caching.serve(fixture.urls.listener, () => {});
    onTestFinished(() => serving.stop());
    const cached = caching.company(subdomain, product);
    expect(await cached.get("CUSTOM_A")).toBe("second");
    key.enabled = false;
    await untilTheEnd();
    const acme = secrets.company(subdomain, product);
    const person = await fixture.scope(subdomain, owner);
    const attempts: readonly (() => Promise<unknown>)[] = [
      read,
      () => cached.get("CUSTOM_A"),
      () => fixture.another(withKms).company(subdomain, product).get("CUSTOM_A"),
      () => acme.getMany(["CUSTOM_A", "CUSTOM_B"]),
      () => acme.set("CUSTOM_A", "third"),
      () => acme.set("CUSTOM_NEW", "third"),
      () => acme.remove("CUSTOM_A"),
      () => secrets.vault.reveal(person, { secretKey: "CUSTOM_A", purpose: "debugging" }),
      () => rotate(subdomain),
    ];
    for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject(denied);
    expect(await secrets.externalKey.get(owner, subdomain)).toMatchObject({ answer: "denied" });
    expect(await secrets.company(other, product).get("CUSTOM_A")).toBe("second");
    key.enabled = true;
    await sleep(2100);
    expect(await read()).toBe("second");
    expect(await cached.get("CUSTOM_A")).toBe("second");
    await acme.set("CUSTOM_A", "third");
    expect(await read()).toBe("third");
  });

  test("is asked at most once in two seconds while it refuses, however many ask", async () => {
    const { read, key } = await underOwnKey();
    key.granted = false;
    await untilTheEnd();
    const before = kms.calls.length;
    const results = await Promise.allSettled(Array.from({ length: 50 }, read));
    expect(results.every(({ status }) => status === "rejected")).toBe(true);
    await expect(read()).rejects.toMatchObject(denied);
    expect(kms.calls.length - before).toBe(1);
  });

  test("is told of in the audit log, in an alarm and in a counter, without its name", async () => {
    const { subdomain, key } = await underOwnKey();
    const alarmed = fixture.another(withKms);
    const alarms: string[] = [];
    const serving = await alarmed.serve(fixture.urls.listener, ({ message }) => alarms.push(message));
    onTestFinished(() => serving.stop());
    key.enabled = false;
    const acme = alarmed.company(subdomain, product);
    await expect(acme.get("CUSTOM_A")).rejects.toMatchObject({
      message: expect.not.stringContaining("arn:"),
    });
    await alarmed.flush();
    expect(alarmed.measurements().externalKeyFailures.denied).toBe(1);
    expect(alarms.filter((alarm) => alarm.includes("refuses to use that key"))).toHaveLength(1);
    expect(alarms.join()).not.toContain("arn:");
    const events =
      await fixture.superuser`select reason from audit_events e join companies c on c.id = e.company_id
      where c.subdomain = ${subdomain} and action = 'key.external' and outcome = 'failed'`;
    expect(events.map((event) => event["reason"])).toEqual(["EXTERNAL_KEY_DENIED"]);
  });

  test("during a rotation stops it, and the rotation ends once it is back", async () => {
    const { subdomain, key, owner } = await underOwnKey();
    await secrets.companyKeyRotation.requestRotation(operator, subdomain);
    key.enabled = false;
    await untilTheEnd();
    await expect(rotate(subdomain)).rejects.toMatchObject(denied);
    expect(await wrapsOf(subdomain)).toEqual(["2 retiring tx1", "3 active tx1"]);
    key.enabled = true;
    await sleep(2100);
    await rotate(subdomain);
    expect(await wrapsOf(subdomain)).toEqual(["3 active tx1"]);
    expect((await secrets.externalKey.get(owner, subdomain)).state).toBe("in-force");
    expect(await secrets.company(subdomain, product).get("CUSTOM_A")).toBe("second");
  });

  test("does not keep the company from being shredded", async () => {
    const { subdomain, key, read } = await underOwnKey();
    kms.destroyKey(key.arn);
    await untilTheEnd();
    await secrets.shredding.shred(operator, subdomain, { backupsKeptDays: 30 });
    expect(await wrapsOf(subdomain)).toEqual([]);
    await expect(read()).rejects.toMatchObject({ code: "KEY_DESTROYED" });
  });

  test("is counted apart by the check of all values, and is no damage", async () => {
    const own = await createFixture();
    const process = own.another(withKms);
    const { companies, externalKey, companyKeyRotation, checkValues } = process;
    await companies.create(operator, { subdomain: "acme", secretStore: "database" });
    await process.company("acme", product).set("CUSTOM_A", "fake");
    const key = kms.addKey();
    await externalKey.set(operator, "acme", key.arn);
    await companyKeyRotation.rotateCompanyKey(operator, "acme");
    expect(await checkValues(operator)).toMatchObject({ current: 1, needExternalKey: 0, failed: 0 });
    key.enabled = false;
    await untilTheEnd();
    expect(await checkValues(operator)).toMatchObject({ current: 0, needExternalKey: 1, failed: 0 });
  });
});

describe("a service that does not work", () => {
  test.each([
    ["fails", { kind: "status", status: 500 }],
    ["throttles", { kind: "status", status: 400, type: "ThrottlingException" }],
    ["hangs", { kind: "hang" }],
    ["resets connections", { kind: "reset" }],
  ] as const)("is no refusal, and does not reach another company: it %s", async (_, fault) => {
    const { read } = await underOwnKey();
    const other = await filled();
    await untilTheEnd();
    kms.fail(fault);
    const startedAt = performance.now();
    const results = await Promise.allSettled(Array.from({ length: 50 }, read));
    for (const result of results) expect(result).toMatchObject({ status: "rejected", reason: down });
    expect(performance.now() - startedAt).toBeLessThan(2500);
    const otherAt = performance.now();
    expect(await secrets.company(other, product).get("CUSTOM_A")).toBe("second");
    expect(performance.now() - otherAt).toBeLessThan(1000);
    kms.fail(undefined);
    await sleep(2100);
    expect(await read()).toBe("second");
  });

  test.each([
    ["nothing", { kind: "text", text: "{}" }],
    ["a key of 31 bytes", { kind: "plaintext", bytes: 31 }],
    ["65,537 bytes", { kind: "text", text: " ".repeat(65_537) }],
  ] as const)("opens nothing with an answer that does not fit: %s", async (_, fault) => {
    const { read } = await underOwnKey();
    await untilTheEnd();
    kms.fail(fault);
    await expect(read()).rejects.toMatchObject({
      code: "KEY_UNAVAILABLE",
      message: expect.stringContaining("do not fit"),
    });
  });

  test("that answers with 32 other bytes opens nothing, and nothing is written under them", async () => {
    const { subdomain, read } = await underOwnKey();
    await untilTheEnd();
    kms.fail({ kind: "plaintext", bytes: 32 });
    const fresh = fixture.another(withKms).company(subdomain, product);
    const wrong = { code: "KEY_UNAVAILABLE", message: expect.stringContaining("do not fit") };
    await expect(fresh.get("CUSTOM_A")).rejects.toMatchObject(wrong);
    await expect(fresh.set("CUSTOM_NEW", "third")).rejects.toMatchObject(wrong);
    kms.fail(undefined);
    await sleep(2100);
    expect(await read()).toBe("second");
  });
});

describe("calls", () => {
  test("fifty first reads at once make one call, and a thousand in a row no other one", async () => {
    const { subdomain } = await underOwnKey();
    const fresh = fixture.another(withKms).company(subdomain, product);
    const before = kms.calls.length;
    await Promise.all(Array.from({ length: 50 }, () => fresh.get("CUSTOM_A")));
    expect(kms.calls.length - before).toBe(1);
    const patient = fixture.another({ externalKeys }).company(subdomain, product);
    const startedAt = performance.now();
    await patient.get("CUSTOM_A");
    const firstMs = performance.now() - startedAt;
    for (let i = 1; i < 1000; i++) await patient.get("CUSTOM_A");
    expect(kms.calls.length - before).toBe(2);
    console.log(`the first read took ${firstMs.toFixed(0)} ms, 1,000 reads made 1 call`);
  });

  test("go on in the background, so that a company in use does not wait for its key", async () => {
    const { read } = await underOwnKey();
    const before = kms.calls.length;
    for (const endsAt = performance.now() + 3 * ttlMs; performance.now() < endsAt; await sleep(50))
      expect(await read()).toBe("second");
    const calls = kms.calls.length - before;
    expect(calls).toBeGreaterThanOrEqual(2);
    expect(calls).toBeLessThanOrEqual(5);
  });
});

describe("a party with the database, and without the master key", () => {
  test("turns no external wrap into another one: not of another version, company, key or format", async () => {
    const [one, two] = [await underOwnKey(), await underOwnKey()];
    await rotate(two.subdomain);
    const sql = fixture.superuser;
    const [mine] =
      await sql`select w.* from company_key_wraps w join companies c on c.id = w.company_id where c.subdomain = ${one.subdomain}`;
    const [theirs] =
      await sql`select w.* from company_key_wraps w join companies c on c.id = w.company_id where c.subdomain = ${two.subdomain}`;
    const [plain] = await sql`select wrapped from company_key_wraps where wrapped like 'tk1.%' limit 1`;
    const own = String(mine?.["wrapped"]);
    const texts = [
      String(theirs?.["wrapped"]),
      String(plain?.["wrapped"]),
      own.replace("tx1", "tk1"),
      `${own.slice(0, -4)}AAAA`,
      own.slice(0, 60),
    ];
    for (const wrapped of texts) {
      await sql`update company_key_wraps set wrapped = ${wrapped} where company_id = ${String(mine?.["company_id"])}`;
      const fresh = fixture.another(withKms).company(one.subdomain, product);
      expect(await codeOf(fresh.get("CUSTOM_A"))).toBe("INTEGRITY_FAILURE");
      expect(await codeOf(fresh.set("CUSTOM_NEW", "x"))).toBe("INTEGRITY_FAILURE");
    }
    await sql`update company_key_wraps set wrapped = ${own} where company_id = ${String(mine?.["company_id"])}`;
    expect(await one.read()).toBe("second");
  });

  test("does not get new values under the earlier key, by making that the active one again", async () => {
    const subdomain = await filled();
    await secrets.externalKey.set(operator, subdomain, kms.addKey().arn);
    const sql = fixture.superuser;
    await sql`alter table company_keys disable trigger user`;
    onTestFinished(async () => void (await sql`alter table company_keys enable trigger user`));
    await sql.begin(async (transaction) => {
      await transaction`update company_keys k set status = 'retiring' from companies c where c.id = k.company_id and c.subdomain = ${subdomain}`;
      await transaction`update company_keys k set status = 'active' from companies c where c.id = k.company_id and c.subdomain = ${subdomain} and key_version = 1`;
    });
    const fresh = fixture.another(withKms);
    expect(await codeOf(fresh.company(subdomain, product).set("CUSTOM_NEW", "x"))).toBe("INTEGRITY_FAILURE");
    expect(await codeOf(rotate(subdomain, fresh))).toBe("INTEGRITY_FAILURE");
  });

  test("cannot store a plain key beside an external one, which is how an earlier release would rotate", async () => {
    const { subdomain } = await underOwnKey();
    const sql = fixture.superuser;
    const attempt = sql.begin(async (transaction) => {
      const [row] = await transaction`select id from companies where subdomain = ${subdomain}`;
      const id = String(row?.["id"]);
      await transaction`update company_keys set status = 'retiring' where company_id = ${id} and status = 'active'`;
      await transaction`insert into company_keys (company_id, key_version, status) values (${id}, 3, 'active')`;
      await transaction`insert into company_key_wraps (company_id, key_version, region, master_key_version, wrapped)
        values (${id}, 3, 'default', 1, 'tk1.default.1.AAAAAAAAAAAAAAAA.AAAA')`;
    });
    await expect(attempt).rejects.toMatchObject({ constraint_name: "company_key_external" });
    await expect(attempt).rejects.toBeInstanceOf(postgres.PostgresError);
  });
});

test("the master key rotates while the company's service is down, and the report has no gap", async () => {
  const own = await createFixture();
  const withOwnKey = own.another(withKms);
  await withOwnKey.companies.create(operator, { subdomain: "acme", secretStore: "database" });
  const acme = withOwnKey.company("acme", product);
  await acme.set("CUSTOM_A", "fake");
  const key = kms.addKey();
  await withOwnKey.externalKey.set(operator, "acme", key.arn);
  await withOwnKey.companyKeyRotation.rotateCompanyKey(operator, "acme");
  key.enabled = false;
  const before = kms.calls.length;
  const { report } = await withOwnKey.keyRotation.rotate(operator, {
    backup: () => Promise.resolve("sha256:fake"),
    timeoutMs: 5000,
  });
  expect(kms.calls.length).toBe(before);
  expect(JSON.parse(report)).toMatchObject({ undecryptable: { keys: [], values: [] } });
  const rows =
    await own.superuser`select split_part(wrapped, '.', 1) || ' ' || master_key_version as text from company_key_wraps`;
  expect(rows.map((row) => row["text"])).toEqual(["tx1 2"]);
  key.enabled = true;
  expect(await own.another(withKms).company("acme", product).get("CUSTOM_A")).toBe("fake");
});

describe("a process that ends before or after any commit", () => {
  test.each(["set", "remove"] as const)(
    "of %s leaves the company readable, and the same call ends it",
    async (what) => {
      for (let at = 0, isOver = false; !isOver; at++) {
        const key = kms.addKey();
        const { subdomain, owner } = what === "set" ? { ...(await plainCompany()) } : await underOwnKey(key);
        let reached = 0;
        const die = () => (reached++ === at ? Promise.reject(new Error("killed")) : Promise.resolve());
        const mortal = fixture.another({
          ...withKms,
          database: withCommitPoints(fixture.database, die, die),
        });
        const call = (by: Fixture["secrets"]) =>
          what === "set"
            ? by.externalKey.set(owner, subdomain, key.arn)
            : by.externalKey.remove(owner, subdomain);
        const outcome = await call(mortal)
          .then(() => rotate(subdomain, mortal))
          .catch((error: unknown) => error);
        isOver = reached <= at;
        if (isOver) expect(outcome).not.toBeInstanceOf(Error);
        expect(await fixture.another(withKms).company(subdomain, product).get("CUSTOM_A")).toBe("second");
        await call(secrets);
        // The lease of the process that has ended.
        await fixture.superuser`update runs set lease_until = now() - interval '1 second' where finished_at is null and lease_until is not null`;
        const [unfinished] =
          await fixture.superuser`select k.company_id from company_keys k join companies c on c.id = k.company_id
        where c.subdomain = ${subdomain} and k.status = 'retiring'`;
        if (unfinished !== undefined) await rotate(subdomain);
        const { state } = await secrets.externalKey.get(owner, subdomain);
        expect([at, state]).toEqual([at, what === "set" ? "in-force" : "none"]);
        expect(await fixture.another(withKms).company(subdomain, product).get("CUSTOM_A")).toBe("second");
      }
    },
  );
});

async function plainCompany() {
  const subdomain = await filled();
  return { subdomain, owner: await fixture.person(subdomain, "owner") };
}
