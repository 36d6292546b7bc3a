import { beforeAll, expect, test } from "vitest";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import { createCaller } from "../router/router.ts";
import { createCallerContext } from "../router/trpc.ts";

const fixture = await createFixture();
const { secrets, superuser, infisical } = fixture;
// A process other than the writer's, so that no company key is cached.
const searching = fixture.another();
const { searchValues } = searching;
const leaked = "fake_leaked_value_0001";
const other = "fake_other_value_0002";
const none = { inInfisical: 0, keysDestroyed: 0, keysUnavailable: 0, suspended: 0 };

const [plain, hybrid, outside, shredded, wrapless, untouched]: [
  string,
  string,
  string,
  string,
  string,
  string,
] = [
  await fixture.company("database"),
  await fixture.company("hybrid"),
  await fixture.company("infisical"),
  await fixture.company("database"),
  await fixture.company("database"),
  await fixture.company("database"),
];

beforeAll(async () => {
  const write = async (subdomain: string, secretKey: `CUSTOM_${string}`, ...values: string[]) => {
    for (const value of values) await secrets.company(subdomain, product).set(secretKey, value);
  };
  await write(plain, "CUSTOM_NOW", other, leaked);
  await write(plain, "CUSTOM_BEFORE", leaked, other);
  await write(plain, "CUSTOM_REMOVED", leaked);
  await write(plain, "CUSTOM_LONGER", `${leaked}x`);
  await secrets.company(plain, product).remove("CUSTOM_REMOVED");
  await write(hybrid, "CUSTOM_A", leaked);
  await infisical.putSecret(`/tenants/${hybrid}`, "CUSTOM_B", leaked);
  await write(outside, "CUSTOM_A", leaked);
  await write(shredded, "CUSTOM_A", leaked);
  await write(wrapless, "CUSTOM_A", leaked);
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`update company_keys set status = 'destroyed' where company_id = (select id from companies where subdomain = ${shredded})`;
    await sql`delete from company_key_wraps where company_id in (select id from companies where subdomain in (${shredded}, ${wrapless}))`;
  });
});

const inPlain = [
  { company: plain, secretKey: "CUSTOM_BEFORE", version: 1, current: false, removed: false },
  { company: plain, secretKey: "CUSTOM_NOW", version: 2, current: true, removed: false },
  { company: plain, secretKey: "CUSTOM_REMOVED", version: 1, current: true, removed: true },
];
const inHybrid = { company: hybrid, secretKey: "CUSTOM_A", version: 1, current: true, removed: false };

test("a search finds current and earlier versions in every company, and counts the companies that it could not search", async () => {
  expect(await searchValues(operator, leaked, undefined)).toEqual({
    matches: [...inPlain, inHybrid],
    complete: true,
    searched: 3,
    partly: 1,
    notSearched: { ...none, inInfisical: 1, keysDestroyed: 1, keysUnavailable: 1 },
  });
  for (const value of [leaked.slice(0, -1), ` ${leaked}`, leaked.toUpperCase(), "%", "*", "a"]) {
    expect((await searchValues(operator, value, undefined)).matches, value).toEqual([]);
  }
});

test("a search in one company finds a value for its owners and admins, under any of its company keys", async () => {
  for (const role of ["owner", "admin"] as const) {
    const caller = await fixture.person(plain, role);
    expect(await searchValues(caller, leaked, plain)).toEqual({
      matches: inPlain,
      complete: true,
      searched: 1,
      partly: 0,
      notSearched: none,
    });
    expect(await codeOf(searchValues(caller, leaked, undefined))).toBe("FORBIDDEN");
  }
  await secrets.companyKeyRotation.rotateCompanyKey(operator, plain);
  expect((await fixture.another().searchValues(operator, leaked, plain)).matches).toEqual(inPlain);
  expect((await searchValues(operator, leaked, shredded)).notSearched).toEqual({ ...none, keysDestroyed: 1 });
  expect(await searchValues(operator, leaked, untouched)).toMatchObject({ matches: [], searched: 1 });
});

test("a search is denied to every other role, and a foreign company is NOT_FOUND", async () => {
  for (const caller of [
    await fixture.person(plain, "member"),
    await fixture.person(plain, "auditor"),
    product,
  ]) {
    expect(await codeOf(searchValues(caller, leaked, plain))).toBe("FORBIDDEN");
    expect(await codeOf(searchValues(caller, leaked, undefined))).toBe("FORBIDDEN");
  }
  const owner = await fixture.person(plain, "owner");
  for (const company of [hybrid, "nobody", "", "*"]) {
    expect(await codeOf(searchValues(owner, leaked, company))).toBe("NOT_FOUND");
  }
  for (const value of ["", "x".repeat(65_537), "\ud800"]) {
    expect(await codeOf(searchValues(owner, value, plain))).toBe("INVALID_VALUE");
  }
});

test("a search is audited with its actor, and in each company with a match, without the value", async () => {
  const { search } = createCaller(createCallerContext(searching, operator)).secrets;
  const [mark] = await superuser`select coalesce(max(position), 0) as position from audit_events`;
  await search({ value: leaked });
  const events = await superuser`
    select c.subdomain, e.secret_key, e.version, e.outcome, e.action, e.actor_kind, e::text as text
    from audit_events e left join companies c on c.id = e.company_id
    where e.position > ${mark?.["position"]} and e.action = 'secret.search' order by e.position`;
  expect(events.map((e) => [e["subdomain"], e["secret_key"], e["version"], e["outcome"]])).toEqual([
    [null, null, null, "success"],
    ...[...inPlain, inHybrid].map((match) => [match.company, match.secretKey, match.version, "success"]),
  ]);
  const [all] = await superuser`select string_agg(e::text, ' ') as text from audit_events e`;
  expect(String(all?.["text"])).not.toContain("fake_leaked");
});

test("a search covers more companies than one batch, and stops at 200 matches", async () => {
  await superuser`insert into companies (subdomain, infisical_folder, secret_store, revision, mac_key_version, mac)
    select 'batch-' || n, 'batch-' || n, 'database', 1, 1, '' from generate_series(1, 230) n`;
  expect((await searchValues(operator, leaked, undefined)).searched).toBe(233);
  await superuser`
    insert into company_secret_versions (company_id, secret_key, version, fingerprint, actor_kind, actor_id)
    select v.company_id, v.secret_key, n, v.fingerprint, 'job', 'test'
    from company_secret_versions v join companies c on c.id = v.company_id, generate_series(10, 300) n
    where c.subdomain = ${hybrid} and v.secret_key = 'CUSTOM_A' and v.version = 1`;
  const { matches, complete } = await searchValues(operator, leaked, hybrid);
  expect([matches.length, complete]).toEqual([200, false]);
});
