import type postgres from "postgres";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { encryptToRegion, signCopy } from "@repo/envelope";
import { createMasterKeys } from "../../keys/master/master-keys.ts";
import { createRegionKeys } from "../../keys/region-keys.ts";
import { createFixture, operator, product, type Fixture } from "../../testing/fixture.ts";
import { newRegion } from "../../testing/regions.ts";
import { withKeyBytes } from "../registry.ts";
import {
  type Fault,
  type FaultKind,
  readRegionReport,
  type RegionReport,
  verifyRegionReport,
} from "./report.ts";

const eu = await createFixture(undefined, undefined, { region: "eu" });
const us = await createFixture(undefined, undefined, { region: "us" });

interface Company {
  readonly subdomain: string;
  readonly id: string;
}

let company: Company;

beforeAll(async () => {
  for (const [from, to] of [
    [eu, us],
    [us, eu],
  ] as const)
    await to.secrets.regions.add(operator, await from.secrets.regions.identity(operator));
});

beforeEach(async () => {
  company = await makeCompany();
  await eu.secrets.companyRegions.add(operator, company.subdomain, { region: "us" });
  await arrive(company);
});

async function makeCompany(): Promise<Company> {
  const subdomain = await eu.company("database");
  await eu.secrets.company(subdomain, product).set("CUSTOM_A", "fake-canary-a");
  await eu.secrets.company(subdomain, product).set("CUSTOM_B", "fake-canary-b");
  const [row] = await eu.superuser<{ id: string }[]>`select id from companies where subdomain = ${subdomain}`;
  return { subdomain, id: row?.id ?? "" };
}

/** Brings the copies of a company to us, as its subscription does. */
async function arrive({ id }: Company): Promise<void> {
  const rows =
    await eu.superuser`select * from region_copies where company_id = ${id} and target_region = 'us'`;
  await apply(async (sql) => {
    for (const row of rows) await sql`insert into region_copies ${sql(row)}`;
  });
}

/** As the subscription from eu. */
async function apply(work: (sql: postgres.TransactionSql) => Promise<unknown>): Promise<void> {
  await us.superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`select set_config('tenant_secrets.subscription', 'copies_from_eu_to_us', true)`;
    await work(sql);
  });
}

/** As a superuser, past every trigger. */
async function plant({ superuser }: Fixture, statement: string): Promise<void> {
  const triggers = ["fence", "notify_copy"];
  await superuser.begin(async (sql) => {
    for (const trigger of triggers) await sql.unsafe(`alter table region_copies disable trigger ${trigger}`);
    await sql`set local session_replication_role = replica`;
    await sql.unsafe(statement);
    for (const trigger of triggers)
      await sql.unsafe(`alter table region_copies enable replica trigger ${trigger}`);
  });
}

async function verify({ secrets }: Fixture, asked?: string): Promise<RegionReport> {
  const { report, signature } = await secrets.regionVerification.verify(operator, asked);
  return readRegionReport(JSON.stringify({ report, signature }));
}

/** The faults of the company, as short texts. */
async function faultsIn(fixture: Fixture, asked: string = company.id): Promise<readonly string[]> {
  return (await verify(fixture, asked)).faults.map(short);
}

const short = ({ kind, region, copy }: Fault) => [kind, region, copy].filter(Boolean).join(" ");

describe("without a fault", () => {
  test("both regions say so, of one company and of all, and count and digest are the same at both ends", async () => {
    const [atHome, there] = [await verify(eu, company.subdomain), await verify(us, company.subdomain)];
    expect(atHome.faults).toEqual([]);
    expect(there.faults).toEqual([]);
    expect(atHome.company).toMatchObject({ id: company.id, home: "eu", epoch: 1, allowed: ["us"] });
    expect(there.company).toMatchObject({ id: company.id, home: "eu", epoch: 1, allowed: null });
    expect(there.company?.copies).toEqual(atHome.company?.copies);
    expect(there.company?.copies).toMatchObject([{ from: "eu", to: "us", company: 1, key: 1, secret: 2 }]);
    const all = await verify(us);
    expect(all.companies).toBeGreaterThanOrEqual(1);
    expect([all.asked, all.company, all.faults]).toEqual([null, null, []]);
  });

  test("a company that may be nowhere else is in eu alone, by subdomain and by id", async () => {
    const pinned = await makeCompany();
    expect((await verify(eu, pinned.subdomain)).company).toMatchObject({ allowed: [], copies: [] });
    for (const asked of [pinned.subdomain, pinned.id])
      expect(await verify(us, asked)).toMatchObject({ company: null, faults: [] });
  });

  test("a report holds no value, and is an event with what was asked", async () => {
    const { report } = await us.secrets.regionVerification.verify(operator, company.subdomain);
    expect(report).not.toContain("fake-canary");
    const [event] =
      await us.superuser`select action, outcome, subject from audit_events order by id desc limit 1`;
    expect(event).toEqual({ action: "region.verify", outcome: "success", subject: company.subdomain });
  });
});

describe("at the home is named", () => {
  const eusFaults = () => faultsIn(eu);
  const cases: readonly (readonly [
    title: string,
    plant: (id: string) => string,
    faults: readonly string[],
  ])[] = [
    [
      "a permission that was planted",
      (id) => `update company_regions set mac = '\\x00' where company_id = '${id}'`,
      [
        "permission-not-genuine us",
        "not-allowed us company",
        "not-allowed us key 1",
        "not-allowed us secret CUSTOM_A",
        "not-allowed us secret CUSTOM_B",
      ],
    ],
    [
      "copies of a company whose permission was taken without them",
      (id) => `delete from company_regions where company_id = '${id}'`,
      [
        "not-allowed us company",
        "not-allowed us key 1",
        "not-allowed us secret CUSTOM_A",
        "not-allowed us secret CUSTOM_B",
      ],
    ],
    [
      "a copy that is gone",
      (id) => `delete from region_copies where company_id = '${id}' and kind <> 'secret'`,
      ["missing us company", "missing us key 1"],
    ],
    [
      "a copy that was changed",
      (id) =>
        `update region_copies set body = replace(body, '"lastVersion" : 1', '"lastVersion" : 2') where company_id = '${id}' and name = 'CUSTOM_A'`,
      ["mac us secret CUSTOM_A"],
    ],
    [
      "a value that another one's copy has",
      (id) =>
        `update region_copies t set body = (select o.body from region_copies o where o.company_id = t.company_id and o.name = 'CUSTOM_B') where company_id = '${id}' and name = 'CUSTOM_A'`,
      ["outdated us secret CUSTOM_A"],
    ],
    [
      "a company's copy that says another subdomain",
      (id) =>
        `update region_copies set body = '{"format":1,"subdomain":"another"}' where company_id = '${id}' and kind = 'company'`,
      ["signature us company"],
    ],
    [
      "a copy of another epoch",
      (id) => `update region_copies set home_epoch = 2 where company_id = '${id}' and kind = 'key'`,
      ["epoch us key 1"],
    ],
    [
      "a copy for a region that is not known",
      (id) =>
        `insert into region_copies select 'ap', company_id, kind, name, home_region, home_epoch, revision, body, signature from region_copies where company_id = '${id}' and kind = 'key'`,
      ["not-allowed ap key 1"],
    ],
  ];
  test.each(cases)("%s", async (_, planted, faults) => {
    await plant(eu, planted(company.id));
    expect(await eusFaults()).toEqual(faults);
  });
});

describe("at the target is named", () => {
  const cases: readonly (readonly [
    title: string,
    plant: (id: string) => string,
    faults: readonly string[],
  ])[] = [
    [
      "a secret that was planted",
      (id) =>
        `insert into region_copies select target_region, company_id, kind, 'CUSTOM_PLANTED', home_region, home_epoch, revision, body, null from region_copies where company_id = '${id}' and name = 'CUSTOM_A'`,
      ["mac eu secret CUSTOM_PLANTED"],
    ],
    [
      "a cipher text of another secret",
      (id) =>
        `update region_copies t set body = jsonb_set(t.body::jsonb, '{encrypted}', o.body::jsonb->'encrypted')::text from region_copies o where t.company_id = '${id}' and o.company_id = '${id}' and t.name = 'CUSTOM_A' and o.name = 'CUSTOM_B'`,
      ["mac eu secret CUSTOM_A"],
    ],
    [
      "a later version that was never written",
      (id) =>
        `update region_copies set body = replace(body, '"lastVersion" : 1', '"lastVersion" : 2') where company_id = '${id}' and name = 'CUSTOM_A'`,
      ["mac eu secret CUSTOM_A"],
    ],
    [
      "a body that is none",
      (id) => `update region_copies set body = '' where company_id = '${id}' and kind = 'secret'`,
      ["mac eu secret CUSTOM_A", "mac eu secret CUSTOM_B"],
    ],
    [
      "another subdomain",
      (id) =>
        `update region_copies set body = '{"format":1,"subdomain":"another"}' where company_id = '${id}' and kind = 'company'`,
      ["signature eu company"],
    ],
    [
      "a key that its home did not sign, with which no secret is genuine",
      (id) => `update region_copies set revision = revision + 1 where company_id = '${id}' and kind = 'key'`,
      ["signature eu key 1", "mac eu secret CUSTOM_A", "mac eu secret CUSTOM_B"],
    ],
    [
      "copies of an earlier home that has come back",
      (id) => `update company_homes set home_region = 'ap', home_epoch = 2 where company_id = '${id}'`,
      ["epoch eu company", "epoch eu key 1", "epoch eu secret CUSTOM_A", "epoch eu secret CUSTOM_B"],
    ],
    [
      "what the fence has refused",
      (id) =>
        `insert into region_refusals (company_id, kind, name, subscription, operation, reason, home_epoch, revision) values ('${id}', 'secret', 'CUSTOM_A', 'copies_from_ap_to_us', 'UPDATE', 'place', 1, 1)`,
      ["refused copies_from_ap_to_us"],
    ],
    [
      "a copy of a region that is not known",
      (id) => `update region_copies set home_region = 'ap' where company_id = '${id}' and kind = 'company'`,
      ["region-unknown ap"],
    ],
    [
      "a copy for a third region",
      (id) =>
        `insert into region_copies select 'ap', company_id, kind, name, home_region, home_epoch, revision, body, signature from region_copies where company_id = '${id}' and kind = 'key'`,
      ["elsewhere ap key 1"],
    ],
  ];
  test.each(cases)("%s", async (_, planted, faults) => {
    await plant(us, planted(company.id));
    expect(await faultsIn(us)).toEqual(faults);
  });

  test("a key that was encrypted to another key than this region's, although its home signed it", async () => {
    const keys = createRegionKeys(eu.database, createMasterKeys(eu.database, eu.infisical, "eu"));
    const place = { companyId: company.id, keyVersion: 1, from: "eu", to: "us", transportKeyVersion: 1 };
    const { transportKey } = withKeyBytes(newRegion("us"));
    const body = encryptToRegion(transportKey, place, Buffer.alloc(32));
    const [row] = await us.superuser<{ revision: string }[]>`
      select revision::text from region_copies where company_id = ${company.id} and kind = 'key'`;
    const copy = {
      targetRegion: "us",
      companyId: company.id,
      kind: "key",
      name: "1",
      homeRegion: "eu",
      homeEpoch: 1,
      revision: row?.revision ?? "",
      body,
    } as const;
    const signature = signCopy((await keys.signing()).privateKey, copy);
    await plant(
      us,
      `update region_copies set body = '${body}', signature = '\\x${signature.toString("hex")}' where company_id = '${company.id}' and kind = 'key'`,
    );
    expect(await faultsIn(us)).toEqual(["key eu key 1", "mac eu secret CUSTOM_A", "mac eu secret CUSTOM_B"]);
  });

  test("values of a company that is at home elsewhere, and a company of which no copy is left", async () => {
    const { id, subdomain } = company;
    await plant(
      us,
      `insert into companies (id, subdomain, infisical_folder, secret_store, home_region, revision, mac_key_version, mac) values ('${id}', '${subdomain}', '${subdomain}', 'database', 'eu', 1, 1, '')`,
    );
    await plant(
      us,
      `insert into company_secrets (company_id, secret_key, secret_value_encrypted, company_key_version, current_version, last_version, origin, mac_key_version, mac) values ('${id}', 'CUSTOM_A', 'ts1.fake', 1, 1, 1, 'written', 1, '')`,
    );
    expect(await faultsIn(us)).toEqual(["not-at-home eu"]);
    await plant(us, `delete from company_secrets where company_id = '${id}'`);
    await plant(us, `delete from region_copies where company_id = '${id}'`);
    expect(await faultsIn(us)).toEqual(["left-behind eu"]);
  });
});

test("a public key that was swapped in the table is named, and nothing of that region counts", async () => {
  const { signingKey } = newRegion("eu");
  const [row] = await us.superuser`select signing_key from regions where region = 'eu'`;
  await us.superuser`update regions set signing_key = ${signingKey} where region = 'eu'`;
  const report = await verify(us, company.id);
  expect(report.known).toEqual([]);
  expect(report.faults.map(short)).toEqual(["region-not-genuine eu", "region-unknown eu"]);
  await us.superuser`update regions set signing_key = ${String(row?.["signing_key"])} where region = 'eu'`;
  expect(await faultsIn(us)).toEqual([]);
});

test("the faults of all companies are found without naming one", async () => {
  await plant(
    us,
    `update region_copies set body = '' where company_id = '${company.id}' and name = 'CUSTOM_A'`,
  );
  const { faults } = await verify(us);
  expect(faults).toContainEqual({
    kind: "mac" satisfies FaultKind,
    company: company.id,
    region: "eu",
    copy: "secret CUSTOM_A",
  });
});

describe("a signed report", () => {
  const text = async () => JSON.stringify(await us.secrets.regionVerification.verify(operator, company.id));
  const fingerprint = async ({ secrets }: Fixture) => (await secrets.regions.identity(operator)).fingerprint;

  test("is genuine by the fingerprint of its region, in any spelling, and by no other", async () => {
    const spelled = await fingerprint(us);
    const signed = await text();
    expect(verifyRegionReport(signed, spelled).company?.id).toBe(company.id);
    expect(verifyRegionReport(signed, spelled.replaceAll(" ", "").toUpperCase()).region.region).toBe("us");
    const other = await fingerprint(eu);
    expect(() => verifyRegionReport(signed, other)).toThrow("another fingerprint");
  });

  test("that was modified, cut or signed by another region is none", async () => {
    const spelled = await fingerprint(us);
    const signed = await us.secrets.regionVerification.verify(operator, company.id);
    const others = await eu.secrets.regionVerification.verify(operator, company.id);
    for (const modified of [
      { ...signed, report: signed.report.replace('"moreFaults": 0', '"moreFaults": 1') },
      { ...signed, report: signed.report.slice(1) },
      { ...signed, signature: others.signature },
      { ...signed, signature: "" },
      { report: signed.report },
    ])
      expect(() => verifyRegionReport(JSON.stringify(modified), spelled)).toThrow("was modified");
  });
});
