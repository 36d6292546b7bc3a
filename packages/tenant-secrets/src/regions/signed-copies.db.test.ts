import { expect, test } from "vitest";
import { fromBase64url, regionFingerprint } from "@repo/envelope";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import { newRegion, otherRegion, readCopies, type ReadCopies } from "../testing/regions.ts";
import { withKeyBytes } from "./registry.ts";

const fixture = await createFixture();
const { secrets, superuser } = fixture;
await secrets.prepare();
const us = otherRegion("us");
const ap = otherRegion("ap");
for (const { asked } of [us, ap]) await secrets.regions.add(operator, asked);
const { signingKey } = await secrets.regions.identity(operator);
const homeKey = fromBase64url(signingKey) ?? Buffer.alloc(0);

interface Acme {
  readonly subdomain: string;
  readonly companyId: string;
  /** What a region can read of it. */
  in(region: typeof us): Promise<ReadCopies>;
}

async function companyIn(regions: readonly string[]): Promise<Acme> {
  const subdomain = await fixture.company("database");
  const { id: companyId } = await secrets.companies.get(operator, subdomain);
  for (const region of regions) await secrets.companyRegions.add(operator, subdomain, { region });
  return { subdomain, companyId, in: (region) => readCopies(superuser, region, { companyId, homeKey }) };
}
const write = ({ subdomain }: Pick<Acme, "subdomain">, value: string, key: `CUSTOM_${string}` = "CUSTOM_A") =>
  secrets.company(subdomain, product).set(key, value);
const nothing = { subdomain: undefined, keys: [], values: {} };

test("a region gets the name, the keys and the values of a company that is added there, and can open them", async () => {
  const acme = await companyIn([]);
  await write(acme, "fake-a-0001");
  await write(acme, "fake-b-0001", "CUSTOM_B");
  expect(await acme.in(us)).toEqual(nothing);
  await secrets.companyRegions.add(operator, acme.subdomain, { region: "us" });
  expect(await acme.in(us)).toEqual({
    subdomain: acme.subdomain,
    keys: [1],
    values: { CUSTOM_A: "fake-a-0001", CUSTOM_B: "fake-b-0001" },
  });
  expect(await acme.in(ap)).toEqual(nothing);
  await write(acme, "fake-a-0002");
  expect((await acme.in(us)).values).toMatchObject({ CUSTOM_A: "fake-a-0002" });
});

test("what is encrypted to one region opens in no other one", async () => {
  const acme = await companyIn(["us", "ap"]);
  await write(acme, "fake-a-0001");
  expect((await acme.in(ap)).values).toEqual({ CUSTOM_A: "fake-a-0001" });
  const { companyId } = acme;
  const stranger = { ...us, privateKey: ap.privateKey };
  expect(await codeOf(readCopies(superuser, stranger, { companyId, homeKey }))).toBe("INTEGRITY_FAILURE");
});

test("a company without a key is added, and its first key is copied with the first value", async () => {
  const acme = await companyIn(["us"]);
  expect(await acme.in(us)).toEqual({ subdomain: acme.subdomain, keys: [], values: {} });
  await write(acme, "fake-first-0001");
  expect(await acme.in(us)).toMatchObject({ keys: [1], values: { CUSTOM_A: "fake-first-0001" } });
});

test("a rename, a suspension and its end, and a setting are what the region is told, each at once", async () => {
  const acme = await companyIn(["us", "ap"]);
  await write(acme, "fake-a-0001");
  const renamed = `renamed-${acme.companyId.slice(0, 8)}`;
  await secrets.companies.rename(operator, acme.subdomain, { subdomain: renamed });
  expect((await acme.in(us)).subdomain).toBe(renamed);
  await secrets.suspension.suspend(operator, renamed);
  expect(await acme.in(ap)).toEqual({ subdomain: undefined, keys: [1], values: { CUSTOM_A: "fake-a-0001" } });
  await secrets.suspension.resume(operator, renamed);
  expect((await acme.in(ap)).subdomain).toBe(renamed);
  await secrets.companies.setRecovery(operator, renamed, 60);
  const owner = await fixture.person(renamed, "owner");
  await secrets.secondFactorRule.set(owner, renamed, true);
  const [copy] = await superuser`
    select body from region_copies where company_id = ${acme.companyId} and kind = 'company' and target_region = 'us'`;
  expect(JSON.parse(String(copy?.["body"]))).toEqual({
    format: 1,
    subdomain: renamed,
    secondFactorRequired: true,
    recoveryDays: 60,
  });
  expect((await acme.in(us)).subdomain).toBe(renamed);
});

test("a suspended company is added to a region, which is told its name once it is open again", async () => {
  const acme = await companyIn([]);
  await write(acme, "fake-a-0001");
  await secrets.suspension.suspend(operator, acme.subdomain);
  await secrets.companyRegions.add(operator, acme.subdomain, { region: "us" });
  expect(await acme.in(us)).toEqual({ subdomain: undefined, keys: [1], values: { CUSTOM_A: "fake-a-0001" } });
  await secrets.suspension.resume(operator, acme.subdomain);
  expect((await acme.in(us)).subdomain).toBe(acme.subdomain);
});

test("at each moment of a key rotation a region can open what it has, and afterwards it has one key", async () => {
  const acme = await companyIn(["us", "ap"]);
  const names = Array.from({ length: 30 }, (_, i) => `CUSTOM_${i}` as const);
  for (const name of names) await write(acme, `fake-${name}`, name);
  const values = Object.fromEntries(names.map((name) => [name, `fake-${name}`]));
  let looks = 0;
  const rotation = { isOver: false };
  const looking = (async () => {
    const seen = new Set<string>();
    while (!rotation.isOver) {
      const read = await acme.in(us);
      expect(read.values).toEqual(values);
      seen.add(read.keys.join(" "));
      looks += 1;
    }
    return seen;
  })();
  const states: string[] = [];
  const rotated = await secrets.companyKeyRotation.rotateCompanyKey(operator, acme.subdomain, async () => {
    const read = await acme.in(us);
    expect(read.values).toEqual(values);
    states.push(read.keys.join(" "));
  });
  rotation.isOver = true;
  await looking;
  expect(rotated).toMatchObject({ keyVersion: 2, destroyed: [1] });
  expect(states).toContain("1 2");
  expect(looks).toBeGreaterThan(0);
  for (const region of [us, ap]) expect(await acme.in(region)).toMatchObject({ keys: [2], values });
});

test("a company's regions are listed, are taken, and give each other's copies no way to stay", async () => {
  const acme = await companyIn(["us", "ap"]);
  await write(acme, "fake-a-0001");
  const list = async () =>
    (await secrets.companyRegions.list(operator, acme.subdomain)).map(({ region }) => region);
  expect(await list()).toEqual(["ap", "us"]);
  await secrets.companyRegions.remove(operator, acme.subdomain, { region: "us" });
  await secrets.companyRegions.remove(operator, acme.subdomain, { region: "us" });
  expect(await list()).toEqual(["ap"]);
  expect(await acme.in(us)).toEqual(nothing);
  expect((await acme.in(ap)).values).toEqual({ CUSTOM_A: "fake-a-0001" });
  await expect(secrets.regions.remove(operator, "ap")).rejects.toMatchObject({ code: "CONFLICT" });
  expect(
    (await secrets.regions.list(operator)).find(({ region }) => region === "ap")?.companies,
  ).toBeGreaterThan(0);
});

test("only companies on the database store are copied, and one that is copied keeps its store", async () => {
  const hybrid = await fixture.company("hybrid");
  await expect(secrets.companyRegions.add(operator, hybrid, { region: "us" })).rejects.toMatchObject({
    code: "CONFLICT",
    message: expect.stringContaining("hybrid store"),
  });
  const { subdomain } = await companyIn(["us"]);
  const rollBack = {
    verb: "rollback",
    companies: [subdomain],
    to: "hybrid",
    acceptLosses: false,
    ratePerMinute: null,
  } as const;
  await expect(secrets.migrations.begin(operator, rollBack)).rejects.toMatchObject({
    code: "CONFLICT",
    message: expect.stringContaining("copied to region us"),
  });
});

test("an unknown or removed region, an unknown company and a caller without the permission are refused", async () => {
  const { subdomain } = await companyIn([]);
  const add = (region: string, caller = operator, company = subdomain) =>
    codeOf(secrets.companyRegions.add(caller, company, { region }));
  expect(await add("eu-unknown")).toBe("NOT_FOUND");
  const gone = newRegion("gone");
  await secrets.regions.add(operator, gone);
  await secrets.regions.remove(operator, "gone");
  expect(await add("gone")).toBe("NOT_FOUND");
  expect(await add("us", operator, "no-such-company")).toBe("NOT_FOUND");
  expect(await add("us", await fixture.person(subdomain, "owner"))).toBe("FORBIDDEN");
  expect(await add("us", product, "no-such-company")).toBe("FORBIDDEN");
});

test("a process that does not know a region yet learns of it when it needs it", async () => {
  const elsewhere = fixture.another();
  const acme = await companyIn(["us"]);
  await elsewhere.company(acme.subdomain, product).set("CUSTOM_A", "fake-a-0001");
  // Its regions are cached now.
  const late = otherRegion("late");
  await secrets.regions.add(operator, late.asked);
  await secrets.companyRegions.add(operator, acme.subdomain, { region: "late" });
  const renamed = `learnt-${acme.companyId.slice(0, 8)}`;
  await elsewhere.companies.rename(operator, acme.subdomain, { subdomain: renamed });
  expect(await acme.in(late)).toMatchObject({ subdomain: renamed, values: { CUSTOM_A: "fake-a-0001" } });
});

test("a region that was planted in the database gets nothing that has to be signed, and can be taken", async () => {
  const acme = await companyIn([]);
  await write(acme, "fake-a-0001");
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`insert into company_regions (company_id, region, revision, mac_key_version, mac)
      values (${acme.companyId}, 'us', 1, 1, '\\x00')`;
  });
  const rename = secrets.companies.rename(operator, acme.subdomain, { subdomain: "never-copied" });
  await expect(rename).rejects.toMatchObject({
    code: "INTEGRITY_FAILURE",
    message: expect.stringContaining("company-region"),
  });
  expect(await codeOf(secrets.companyKeyRotation.rotateCompanyKey(operator, acme.subdomain))).toBe(
    "INTEGRITY_FAILURE",
  );
  expect(await acme.in(us)).toMatchObject({ subdomain: undefined, keys: [] });
  expect(await secrets.companyRegions.list(operator, acme.subdomain)).toEqual([]);
  await secrets.companyRegions.remove(operator, acme.subdomain, { region: "us" });
  await secrets.companyKeyRotation.rotateCompanyKey(operator, acme.subdomain);
});

test("a company that is shredded has no copies and no regions, and its receipt names those that had copies", async () => {
  const acme = await companyIn(["us", "ap"]);
  await write(acme, "fake-a-0001");
  const { receipt } = await secrets.shredding.shred(operator, acme.subdomain, { backupsKeptDays: 30 });
  for (const region of [us, ap]) expect(await acme.in(region)).toEqual(nothing);
  expect(await secrets.companyRegions.list(operator, acme.subdomain)).toEqual([]);
  const content: unknown = JSON.parse(receipt);
  expect(content).toMatchObject({
    destroyed: {
      copies: [
        { region: "ap", count: 3 },
        { region: "us", count: 3 },
      ],
    },
    remains: expect.arrayContaining([expect.stringContaining("Other regions had copies until")]),
  });
});

/** Does what jobs do. */
async function renewAll(): Promise<number> {
  const rows = await superuser<{ id: string }[]>`
    select id from runs where kind = 'renew-region-copies' and finished_at is null`;
  for (const { id } of rows)
    await secrets.runs.work["renew-region-copies"]?.(id, new AbortController().signal);
  return rows.length;
}

test("a region whose transport key is replaced reads under the earlier key until its turn, and under the new one from then on", async () => {
  const first = otherRegion("rekeyed");
  await secrets.regions.add(operator, first.asked);
  const companies = await Promise.all([
    companyIn(["rekeyed"]),
    companyIn(["rekeyed"]),
    companyIn(["rekeyed"]),
  ]);
  for (const acme of companies) await write(acme, "fake-a-0001");
  const values = { CUSTOM_A: "fake-a-0001" };
  const second = otherRegion("rekeyed", { transportKeyVersion: 2, signingKeyVersion: 2 });
  expect((await secrets.regions.add(operator, second.asked)).outcome).toBe("changed");
  for (const acme of companies) expect((await acme.in(first)).values).toEqual(values);
  expect(await renewAll()).toBe(1);
  for (const acme of companies) {
    expect(await acme.in(second)).toEqual({ subdomain: acme.subdomain, keys: [1], values });
    expect(await codeOf(acme.in(first))).toBe("INTEGRITY_FAILURE");
  }
  const [run] = await secrets.runs.list(operator, { kind: "renew-region-copies", recent: true, limit: 1 });
  expect(run).toMatchObject({ state: "done" });
  const events =
    await superuser`select company_id from audit_events where action = 'company.renew-copies' and outcome = 'success'`;
  expect(new Set(events.map((row) => row["company_id"]))).toEqual(
    new Set(companies.map(({ companyId }) => companyId)),
  );
  expect((await secrets.regions.add(operator, second.asked)).outcome).toBe("unchanged");
  expect(await renewAll()).toBe(0);
});

test("a company whose row was changed in the database is left out of a renewal and named, and the others are renewed", async () => {
  const first = otherRegion("partly");
  await secrets.regions.add(operator, first.asked);
  const [broken, sound] = [await companyIn(["partly"]), await companyIn(["partly"])];
  for (const acme of [broken, sound]) await write(acme, "fake-a-0001");
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`update companies set subdomain = ${`planted-${broken.companyId.slice(0, 8)}`} where id = ${broken.companyId}`;
  });
  const second = otherRegion("partly", { transportKeyVersion: 2 });
  const asked = { ...second.asked, signingKey: first.asked.signingKey };
  const { fingerprint: _, ...identity } = asked;
  const fingerprint = regionFingerprint(withKeyBytes(identity));
  await secrets.regions.add(operator, { ...identity, fingerprint });
  await expect(renewAll()).rejects.toMatchObject({
    code: "INTEGRITY_FAILURE",
    message: expect.stringContaining(broken.companyId),
  });
  expect((await sound.in(second)).values).toEqual({ CUSTOM_A: "fake-a-0001" });
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`update companies set subdomain = ${broken.subdomain} where id = ${broken.companyId}`;
  });
  await renewAll();
  expect((await broken.in(second)).values).toEqual({ CUSTOM_A: "fake-a-0001" });
});

test("after a rotation of the master key the pairs of this region are the same, and copies are signed", async () => {
  const acme = await companyIn(["us"]);
  await write(acme, "fake-a-0001");
  const before = await secrets.regions.identity(operator);
  await secrets.keyRotation.rotate(operator, { backup: async () => "sha256:fake" });
  const [, retired] = (await secrets.masterKeys.status(operator)).versions.toSorted(
    (a, b) => b.version - a.version,
  );
  await secrets.masterKeys.destroy(operator, retired?.version ?? 0);
  const fresh = fixture.another();
  expect(await fresh.regions.identity(operator)).toEqual(before);
  const renamed = `rotated-${acme.companyId.slice(0, 8)}`;
  await fresh.companies.rename(operator, acme.subdomain, { subdomain: renamed });
  expect(await acme.in(us)).toMatchObject({ subdomain: renamed, values: { CUSTOM_A: "fake-a-0001" } });
});

test("an emergency rotation replaces the pairs of this region, and all copies are signed by the new one", async () => {
  const acme = await companyIn(["us", "ap"]);
  await write(acme, "fake-a-0001");
  const before = await secrets.regions.identity(operator);
  const said: string[] = [];
  await secrets.emergencyRotation(operator, {
    rotation: { backup: async () => "sha256:fake" },
    revokeCredentials: false,
    onStep: (done) => void said.push(done),
  });
  const after = await secrets.regions.identity(operator);
  expect(after).toMatchObject({ transportKeyVersion: 2, signingKeyVersion: 2 });
  expect([after.transportKey, after.signingKey]).not.toContain(before.transportKey);
  expect(after.signingKey).not.toBe(before.signingKey);
  expect(said.join("\n")).toMatch(/this region has new keys: .*ap, .*us/);
  await renewAll();
  const newHomeKey = fromBase64url(after.signingKey) ?? Buffer.alloc(0);
  const { companyId, subdomain } = acme;
  for (const region of [us, ap])
    expect(await readCopies(superuser, region, { companyId, homeKey: newHomeKey })).toEqual({
      subdomain,
      keys: [2],
      values: { CUSTOM_A: "fake-a-0001" },
    });
  await expect(acme.in(us)).rejects.toThrow("is not signed by its home");
});
