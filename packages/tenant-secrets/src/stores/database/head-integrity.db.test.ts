import { beforeAll, describe, expect, test } from "vitest";
import { codeOf, createFixture, operator, product, type Fixture } from "../../testing/fixture.ts";

// Attacks on the heads of secrets by a party that can write to the database but has none of its keys.

const key = "CUSTOM_KEY";
let fixture: Fixture;

beforeAll(async () => {
  fixture = await createFixture();
  await fixture.secrets.prepare();
});

/** By a superuser who has switched the triggers off. */
async function tamper(...statements: readonly string[]): Promise<void> {
  await fixture.superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    for (const statement of statements) await sql.unsafe(statement);
  });
}

interface Victim {
  readonly subdomain: string;
  readonly id: string;
  /** Of the head. */
  readonly where: string;
}

/** A company whose secret has these values, one version after another. */
async function withVersions(...values: readonly string[]): Promise<Victim> {
  const subdomain = await fixture.company("database");
  for (const value of values) await fixture.secrets.company(subdomain, product).set(key, value);
  const [row] = await fixture.superuser`select id from companies where subdomain = ${subdomain}`;
  const id = String(row?.["id"]);
  return { subdomain, id, where: `company_id = '${id}' and secret_key = '${key}'` };
}

/** As a process that has just started sees it. */
const fresh = ({ subdomain }: Victim) => fixture.another().company(subdomain, product);

async function findings(): Promise<Record<string, string>> {
  const { findings: list } = await fixture.secrets.audit.verify(operator, {});
  return Object.fromEntries(list.map(({ kind, count, first }) => [kind, `${count} ${first}`]));
}

/** As `findings`, but for the heads that the tests before have deleted. */
async function otherFindings(): Promise<Record<string, string>> {
  const { "head-missing": _, ...others } = await findings();
  return others;
}

/** Remembers what the database has of a secret. @returns what puts it back */
async function remember({ where }: Victim): Promise<() => Promise<void>> {
  for (const name of ["company_secrets", "company_secret_versions"])
    await fixture.superuser.unsafe(`create table kept_${name} as select * from ${name} where ${where}`);
  return () =>
    tamper(
      ...["company_secret_versions", "company_secrets"].map((name) => `delete from ${name} where ${where}`),
      ...["company_secrets", "company_secret_versions"].flatMap((name) => [
        `insert into ${name} select * from kept_${name}`,
        `drop table kept_${name}`,
      ]),
    );
}

describe("a head that another party has changed", () => {
  const tampered: readonly (readonly [string, (victim: Victim) => readonly string[]])[] = [
    [
      "an old version is made current, with its own sealed value",
      ({ where }) => [
        `update company_secrets h set current_version = 1, company_key_version = v.company_key_version, secret_value_encrypted = v.value_encrypted
          from (select * from company_secret_versions where version = 1 and ${where}) v
          where h.company_id = v.company_id and h.secret_key = v.secret_key`,
      ],
    ],
    [
      "a pending version is made current",
      ({ where }) => [
        `update company_secrets h set current_version = 3, pending_version = null, secret_value_encrypted = v.value_encrypted
          from (select * from company_secret_versions where version = 3 and ${where}) v
          where h.company_id = v.company_id and h.secret_key = v.secret_key`,
      ],
    ],
    [
      "an old version is made pending",
      ({ where }) => [`update company_secrets set pending_version = 1 where ${where}`],
    ],
    [
      "an old version gets a grace window",
      ({ where }) => [
        `update company_secrets set grace_windows = '[{"version": 1, "until": "2999-01-01T00:00:00.000Z"}]' where ${where}`,
      ],
    ],
    ["it is removed", ({ where }) => [`update company_secrets set deleted_at = now() where ${where}`]],
    [
      "version numbers begin again",
      ({ where }) => [`update company_secrets set pending_version = null, last_version = 2 where ${where}`],
    ],
    [
      "its origin is another",
      ({ where }) => [`update company_secrets set origin = 'infisical' where ${where}`],
    ],
    ["its MAC is cut", ({ where }) => [`update company_secrets set mac = substr(mac, 1, 16) where ${where}`]],
    [
      "its grace windows are no list of windows",
      ({ where }) => [`update company_secrets set grace_windows = '[null]' where ${where}`],
    ],
    [
      "it has the MAC of another company's secret of the same state",
      ({ where }) => [
        `update company_secrets set mac = (
          select o.mac from company_secrets o join companies c on c.id = o.company_id
          where o.company_id <> company_secrets.company_id and o.last_version = 3 order by c.created_at desc limit 1) where ${where}`,
      ],
    ],
  ];

  test.for(tampered)("a head is neither read nor written where %s", async ([, change]) => {
    await withVersions("fake-a", "fake-b").then((other) => fresh(other).stage(key, "fake-c"));
    const victim = await withVersions("fake-old", "fake-current");
    await fresh(victim).stage(key, "fake-pending");
    const alarms: string[] = [];
    const serving = fixture.another();
    const member = await serving.serve(fixture.urls.listener, ({ code, message }) =>
      alarms.push(`${code} ${message}`),
    );
    const putBack = await remember(victim);
    await tamper(...change(victim));
    const secrets = serving.company(victim.subdomain, product);
    expect(await codeOf(secrets.get(key))).toBe("INTEGRITY_FAILURE");
    expect(await codeOf(secrets.getMany([key]))).toBe("INTEGRITY_FAILURE");
    for (const write of [
      () => secrets.set(key, "fake-new"),
      () => secrets.stage(key, "fake-new", { replace: true }),
      () => secrets.promote(key),
      () => secrets.remove(key),
      () => secrets.setExpiry(key, { expiresAt: new Date(Date.now() + 1e9) }),
    ]) {
      expect(await codeOf(write())).toBe("INTEGRITY_FAILURE");
    }
    expect(alarms).toHaveLength(1);
    expect(alarms[0]).toMatch(
      `INTEGRITY_FAILURE The head of ${key} of company ${victim.id}, which says what is current`,
    );
    const events = await fixture.superuser`select action from audit_events
      where company_id = ${victim.id} and outcome = 'failed' and reason = 'INTEGRITY_FAILURE' order by position`;
    expect(events.map((row) => row["action"])).toContain("secret.read");
    expect(await otherFindings()).toEqual({
      "head-not-genuine": expect.stringMatching(`^1 The head of ${key} of company ${victim.id}`),
    });
    await member.stop();
    await putBack();
    expect(await fresh(victim).get(key)).toBe("fake-current");
    expect(await otherFindings()).toEqual({});
  });
});

describe("an older state of a secret, put back with its MAC", () => {
  test("`audit verify` names an older head that was put back after a write", async () => {
    const victim = await withVersions("fake-one");
    const putBack = await remember(victim);
    await fresh(victim).set(key, "fake-two");
    await putBack();
    expect(await fresh(victim).get(key)).toBe("fake-one");
    expect(await otherFindings()).toEqual({
      "head-outdated": expect.stringContaining(
        `${victim.id} is at version 1 of 1; the audit log has it at 2 of 2`,
      ),
    });
    await tamper(
      `delete from company_secret_versions where ${victim.where}`,
      `delete from company_secrets where ${victim.where}`,
    );
  });

  test("`audit verify` names an older head that was put back after a promotion", async () => {
    const victim = await withVersions("fake-one");
    await fresh(victim).stage(key, "fake-two");
    const putBack = await remember(victim);
    await fresh(victim).promote(key);
    await putBack();
    expect((await otherFindings())["head-outdated"]).toMatch(
      "at version 1 of 2; the audit log has it at 2 of 2",
    );
    await tamper(
      `delete from company_secret_versions where ${victim.where}`,
      `delete from company_secrets where ${victim.where}`,
    );
  });

  test("`audit verify` names an older head that was put back after a removal", async () => {
    const victim = await withVersions("fake-one");
    const putBack = await remember(victim);
    await fresh(victim).remove(key);
    await putBack();
    expect((await otherFindings())["head-outdated"]).toMatch(
      "at version 1 of 1; the audit log has it at 1 of 1, removed",
    );
    await tamper(
      `delete from company_secret_versions where ${victim.where}`,
      `delete from company_secrets where ${victim.where}`,
    );
  });
});

test("`audit verify` names a deleted head, and no head of a shredded company", async () => {
  const missing = async () => {
    const { findings: list } = await fixture.secrets.audit.verify(operator, {});
    return list.find(({ kind }) => kind === "head-missing");
  };
  const victim = await withVersions("fake-one", "fake-two");
  const shredded = await withVersions("fake-one");
  const options = { backupsKeptDays: 30, withInfisicalFolder: false };
  await fixture.secrets.shredding.shred(operator, shredded.subdomain, options);
  const before = (await missing())?.count ?? 0;
  for (const { where } of [victim, shredded]) {
    await tamper(
      `delete from company_secret_versions where ${where}`,
      `delete from company_secrets where ${where}`,
    );
  }
  expect(await missing()).toEqual({
    kind: "head-missing",
    count: before + 1,
    first: expect.stringMatching(
      /^The head of CUSTOM_KEY of company [0-9a-f-]{36} is not there; the audit log has it at version \d: it was deleted\.$/,
    ),
  });
});

test("`audit verify` finds nothing after every kind of change, also a retried one", async () => {
  const victim = await withVersions("fake-one", "fake-two");
  const secrets = fresh(victim);
  await secrets.set(key, "fake-three", { requestId: "again" });
  await secrets.stage(key, "fake-four");
  await secrets.promote(key, { graceSeconds: 60 });
  await secrets.set(key, "fake-three", { requestId: "again" });
  await secrets.stage(key, "fake-five");
  await secrets.discard(key);
  await secrets.rollback(key, { toVersion: 1 });
  await secrets.remove(key);
  await secrets.restore(key);
  await secrets.setExpiry(key, { expiresAt: new Date(Date.now() + 1e9) });
  await secrets.set("CUSTOM_GONE", "fake");
  await secrets.purge("CUSTOM_GONE", { force: true });
  const hybrid = await fixture.company("hybrid");
  await fixture.infisical.putSecret(`/tenants/${hybrid}`, key, "fake-outside");
  await fixture.infisical.putSecret(`/tenants/${hybrid}`, "CUSTOM_BURIED", "fake-outside");
  const theirs = fixture.another().company(hybrid, product);
  expect(await theirs.get(key)).toBe("fake-outside");
  await theirs.remove("CUSTOM_BURIED");
  expect(await theirs.find("CUSTOM_BURIED")).toBeUndefined();
  expect(await otherFindings()).toEqual({});
});

test("a rotation of the company key renews the MACs of its heads, and names a head that another party has changed", async () => {
  const victim = await withVersions("fake-one");
  const secrets = fresh(victim);
  await secrets.set("CUSTOM_REMOVED", "fake");
  await secrets.remove("CUSTOM_REMOVED");
  await secrets.set("CUSTOM_CHANGED", "fake");
  await secrets.set("CUSTOM_CHANGED", "fake-new");
  const changed = `company_id = '${victim.id}' and secret_key = 'CUSTOM_CHANGED'`;
  await tamper(`update company_secrets set last_version = 7 where ${changed}`);
  await expect(
    fixture.secrets.companyKeyRotation.rotateCompanyKey(operator, victim.subdomain),
  ).rejects.toMatchObject({
    code: "INTEGRITY_FAILURE",
    message: expect.stringContaining("CUSTOM_CHANGED, its head"),
  });
  expect(await fresh(victim).get(key)).toBe("fake-one");
  await tamper(`update company_secrets set last_version = 2 where ${changed}`);
  await fixture.secrets.companyKeyRotation.rotateCompanyKey(operator, victim.subdomain);
  const rows =
    await fixture.superuser`select distinct mac_key_version as key_version from company_secrets where company_id = ${victim.id}`;
  expect(rows.map((row) => row["key_version"])).toEqual([2]);
  expect(await fresh(victim).get("CUSTOM_CHANGED")).toBe("fake-new");
  await fresh(victim).restore("CUSTOM_REMOVED");
  expect(await otherFindings()).toEqual({});
});

test("`audit verify` names a head that another party has put under a destroyed key of a living company", async () => {
  const victim = await withVersions("fake-one");
  await fixture.secrets.companyKeyRotation.rotateCompanyKey(operator, victim.subdomain);
  await tamper(`update company_secrets set mac_key_version = 1 where ${victim.where}`);
  expect(await codeOf(fresh(victim).get(key))).toBe("KEY_DESTROYED");
  expect(await otherFindings()).toEqual({ "head-not-genuine": expect.stringContaining(victim.id) });
  await tamper(`update company_secrets set mac_key_version = 2 where ${victim.where}`);
  expect(await otherFindings()).toEqual({});
});

test("`audit verify` finds nothing in the heads that shredding leaves", async () => {
  const victim = await withVersions("fake-one");
  const { apiKey } = await fixture.secrets.apiKeys.create(operator, {
    name: "test",
    companies: [victim.subdomain],
    platform: false,
    verbs: ["use"],
    secretKeys: ["*"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  await fixture.secrets.shredding.shred(operator, victim.subdomain, { backupsKeptDays: 0 });
  expect(await codeOf(fresh(victim).get(key))).toBe("KEY_DESTROYED");
  expect(await codeOf(fixture.another().authenticate({ credential: apiKey }))).toBe("UNAUTHENTICATED");
  expect(await otherFindings()).toEqual({});
});

test(
  "50 writers of one head, and a rotation of its key meanwhile, leave a genuine one",
  { timeout: 180_000 },
  async () => {
    const victim = await withVersions("fake-one");
    const processes = [fresh(victim), fresh(victim)];
    const writers = Array.from({ length: 50 }, (_, i) => processes[i % 2]?.set(key, `fake-${i}`));
    const rotation = fixture.secrets.companyKeyRotation.rotateCompanyKey(operator, victim.subdomain);
    const results = await Promise.allSettled([...writers, rotation]);
    expect(results.filter(({ status }) => status === "rejected")).toEqual([]);
    expect(await fresh(victim).get(key)).toMatch(/^fake-/);
    expect(await otherFindings()).toEqual({});
  },
);
