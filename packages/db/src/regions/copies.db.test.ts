import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectDatabase, type Database } from "../connect.ts";
import { createTestDatabase, type TestDatabase } from "../testing/index.ts";

let testDatabase: TestDatabase;
let superuser: postgres.Sql;
let second: postgres.Sql;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  const { application, maintenance } = testDatabase.urls;
  superuser = postgres(testDatabase.superuserUrl, { max: 1, onnotice: () => {} });
  second = postgres(testDatabase.superuserUrl, { max: 1, onnotice: () => {} });
  database = connectDatabase({ applicationUrl: application, maintenanceUrl: maintenance, maxConnections: 2 });
  await superuser`insert into audit_keys (purpose, key_version, status) values ('row', 1, 'active')`;
  for (const region of ["us", "ap"])
    await superuser`insert into regions (region, address, transport_key_version, transport_key, signing_key_version, signing_key, revision, mac_key_version, mac)
      values (${region}, ${`https://${region}.example.com`}, 1, ${"A".repeat(43)}, 1, ${"A".repeat(43)}, 1, 1, '')`;
});

afterAll(async () => {
  await Promise.all([database.close(), superuser.end(), second.end()]);
  await testDatabase.drop();
});

async function makeCompany(): Promise<string> {
  const id = randomUUID();
  const name = `c-${id}`;
  await superuser`insert into companies (id, subdomain, infisical_folder, secret_store, home_region, revision, mac_key_version, mac)
    values (${id}, ${name}, ${name}, 'database', 'eu', 1, 1, '')`;
  await superuser`insert into company_keys (company_id, key_version, status) values (${id}, 1, 'active')`;
  return id;
}

async function writeSecret(company: string, secretKey: string, version = 1): Promise<void> {
  await superuser`insert into company_secrets (company_id, secret_key, secret_value_encrypted, company_key_version, current_version, last_version,
      origin, mac_key_version, mac)
    values (${company}, ${secretKey}, ${`sealed ${version}`}, 1, ${version}, ${version}, 'written', 1, '\\x0102')
    on conflict (company_id, secret_key) do update set secret_value_encrypted = excluded.secret_value_encrypted,
      current_version = excluded.current_version, last_version = excluded.last_version`;
}

/** As an operation does it: the region, and the signed copies that it takes. */
async function addRegion(
  sql: postgres.Sql | postgres.TransactionSql,
  company: string,
  region: string,
): Promise<void> {
  await sql`insert into company_regions (company_id, region, revision, mac_key_version, mac) values (${company}, ${region}, 1, 1, '')`;
  await sql`insert into region_copies (target_region, company_id, kind, name, home_region, home_epoch, revision, body, signature)
    select ${region}, id, 'company', '', home_region, home_epoch, nextval('copy_revisions'), json_build_object('format', 1, 'subdomain', subdomain), 'fake'
    from companies where id = ${company}`;
  await sql`insert into region_copies (target_region, company_id, kind, name, home_region, home_epoch, revision, body, signature)
    select ${region}, id, 'key', '1', home_region, home_epoch, nextval('copy_revisions'), 'tr1.fake', 'fake' from companies where id = ${company}`;
}

interface Copy {
  readonly place: string;
  readonly body: string;
  readonly revision: string;
}

async function copiesOf(company: string): Promise<readonly Copy[]> {
  const rows = await superuser<Copy[]>`
    select target_region || ' ' || kind || ' ' || name as place, body, revision::text from region_copies where company_id = ${company} order by 1`;
  return [...rows];
}

const placesOf = async (company: string) => (await copiesOf(company)).map(({ place }) => place.trim());
const constraintOf = (call: Promise<unknown>) =>
  call.then(
    () => "done",
    (error: unknown) =>
      error instanceof postgres.PostgresError ? (error.constraint_name ?? error.code) : String(error),
  );

test("a company that is copied nowhere has no copies", async () => {
  const company = await makeCompany();
  await writeSecret(company, "STRIPE_SECRET_KEY");
  expect(await copiesOf(company)).toEqual([]);
});

test("a region gets all secrets that are there, and each change of one in the transaction of the change", async () => {
  const company = await makeCompany();
  await writeSecret(company, "STRIPE_SECRET_KEY");
  await superuser.begin((sql) => addRegion(sql, company, "us"));
  expect(await placesOf(company)).toEqual(["us company", "us key 1", "us secret STRIPE_SECRET_KEY"]);
  const [, , before] = await copiesOf(company);
  expect(JSON.parse(before?.body ?? "")).toEqual({
    format: 1,
    createdAtMs: expect.any(Number),
    updatedAtMs: expect.any(Number),
    encrypted: "sealed 1",
    companyKeyVersion: 1,
    currentVersion: 1,
    pendingVersion: null,
    lastVersion: 1,
    origin: "written",
    removed: false,
    expiresAtMs: null,
    recoverUntilMs: null,
    purged: false,
    graceWindows: null,
    canary: null,
    macKeyVersion: 1,
    mac: "0102",
  });
  await superuser.begin((sql) => addRegion(sql, company, "ap"));
  await writeSecret(company, "STRIPE_SECRET_KEY", 2);
  await writeSecret(company, "SENDGRID_API_KEY");
  const after = await copiesOf(company);
  expect(after.filter(({ body }) => body.includes("sealed 2"))).toHaveLength(2);
  expect(after.filter(({ place }) => place.endsWith("SENDGRID_API_KEY"))).toHaveLength(2);
  expect(Number(after.find(({ place }) => place === before?.place)?.revision)).toBeGreaterThan(
    Number(before?.revision),
  );
});

test("a removed, purged or destroyed secret has no copy, and a restored one has", async () => {
  const company = await makeCompany();
  await superuser.begin((sql) => addRegion(sql, company, "us"));
  for (const secretKey of ["CUSTOM_A", "CUSTOM_B"]) await writeSecret(company, secretKey);
  await superuser`update company_secrets set deleted_at = now() where company_id = ${company} and secret_key = 'CUSTOM_A'`;
  expect(await placesOf(company)).toEqual(["us company", "us key 1", "us secret CUSTOM_B"]);
  await superuser`update company_secrets set deleted_at = null where company_id = ${company} and secret_key = 'CUSTOM_A'`;
  expect(await placesOf(company)).toContain("us secret CUSTOM_A");
  await superuser`update company_secrets set secret_value_encrypted = 'destroyed' where company_id = ${company}`;
  expect(await placesOf(company)).toEqual(["us company", "us key 1"]);
});

test("taking a region deletes all of its copies, and no other region's", async () => {
  const company = await makeCompany();
  await writeSecret(company, "CUSTOM_A");
  await superuser.begin((sql) => addRegion(sql, company, "us"));
  await superuser.begin((sql) => addRegion(sql, company, "ap"));
  await superuser`delete from company_regions where company_id = ${company} and region = 'us'`;
  expect(await placesOf(company)).toEqual(["ap company", "ap key 1", "ap secret CUSTOM_A"]);
});

test("a write that runs while a region is added or taken is in its copies, or in none", async () => {
  const company = await makeCompany();
  await writeSecret(company, "CUSTOM_A");
  const write = Promise.withResolvers<void>();
  const written = second.begin(async (sql) => {
    await sql`update company_secrets set secret_value_encrypted = 'sealed meanwhile' where company_id = ${company}`;
    await write.promise;
  });
  const adding = superuser.begin((sql) => addRegion(sql, company, "us"));
  await new Promise((resolve) => setTimeout(resolve, 300));
  write.resolve();
  await Promise.all([written, adding]);
  expect((await copiesOf(company)).find(({ place }) => place === "us secret CUSTOM_A")?.body).toContain(
    "sealed meanwhile",
  );

  const taken = Promise.withResolvers<void>();
  const taking = superuser.begin(async (sql) => {
    await sql`delete from company_regions where company_id = ${company} and region = 'us'`;
    await taken.promise;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const late =
    second`update company_secrets set secret_value_encrypted = 'sealed too late' where company_id = ${company}`.execute();
  await new Promise((resolve) => setTimeout(resolve, 300));
  taken.resolve();
  await Promise.all([taking, late]);
  expect(await copiesOf(company)).toEqual([]);
});

test("what has to be signed cannot be forgotten: a region, a key or a name without its copies does not commit", async () => {
  const company = await makeCompany();
  const add = superuser`insert into company_regions (company_id, region, revision, mac_key_version, mac) values (${company}, 'us', 1, 1, '')`;
  expect(await constraintOf(add)).toBe("region_copies_complete");
  await superuser.begin((sql) => addRegion(sql, company, "us"));
  for (const change of [
    `update companies set subdomain = 'renamed-${company.slice(0, 8)}' where id = '${company}'`,
    `update companies set home_epoch = 2 where id = '${company}'`,
    `insert into company_keys (company_id, key_version, status) values ('${company}', 2, 'retired')`,
  ])
    expect([change, await constraintOf(superuser.unsafe(change))]).toEqual([
      change,
      "region_copies_complete",
    ]);
  const rename = superuser.begin(async (sql) => {
    await sql`update companies set subdomain = ${`renamed-${company.slice(0, 8)}`} where id = ${company}`;
    await sql`update region_copies set revision = nextval('copy_revisions'), body = json_build_object('format', 1, 'subdomain', ${`renamed-${company.slice(0, 8)}`}::text)
      where company_id = ${company} and kind = 'company'`;
  });
  expect(await constraintOf(rename)).toBe("done");
});

test("what must not wait for a signature does not: a suspended company and a destroyed key are withdrawn at once", async () => {
  const company = await makeCompany();
  await writeSecret(company, "CUSTOM_A");
  await superuser.begin((sql) => addRegion(sql, company, "us"));
  await superuser`update companies set status = 'suspended' where id = ${company}`;
  expect(await placesOf(company)).toEqual(["us key 1", "us secret CUSTOM_A"]);
  const resume = superuser`update companies set status = 'active' where id = ${company}`;
  expect(await constraintOf(resume)).toBe("region_copies_complete");
  await superuser`update company_secrets set secret_value_encrypted = 'destroyed' where company_id = ${company}`;
  await superuser`update company_keys set status = 'destroyed' where company_id = ${company}`;
  expect(await copiesOf(company)).toEqual([]);
});

test("a deleted company has no copies", async () => {
  const company = await makeCompany();
  await writeSecret(company, "CUSTOM_A");
  await superuser.begin((sql) => addRegion(sql, company, "us"));
  await superuser`update companies set status = 'deleted', deleted_at = now() where id = ${company}`;
  expect(await copiesOf(company)).toEqual([]);
});

test("no copy is made for a region that the company is not copied to, for its home, or of an older state", async () => {
  const company = await makeCompany();
  await superuser.begin((sql) => addRegion(sql, company, "us"));
  const copy = (region: string) => superuser`
    insert into region_copies (target_region, company_id, kind, name, home_region, home_epoch, revision, body, signature)
    values (${region}, ${company}, 'key', '2', 'eu', 1, nextval('copy_revisions'), 'tr1.fake', 'fake')`;
  expect(await constraintOf(copy("ap"))).toBe("region_copies_allowed");
  expect(await constraintOf(copy("us"))).toBe("done");
  expect(await constraintOf(copy("eu"))).toBe("region_copies_allowed");
  expect(await constraintOf(superuser.begin((sql) => addRegion(sql, company, "eu")))).toBe(
    "company_regions_region",
  );
  const older = superuser`update region_copies set revision = 1 where company_id = ${company} and name = '2'`;
  expect(await constraintOf(older)).toBe("23000");
});

test("a region that companies are copied to is not removed, and a removed one is not used again", async () => {
  const company = await makeCompany();
  await superuser`insert into regions (region, address, transport_key_version, transport_key, signing_key_version, signing_key, revision, mac_key_version, mac)
    values ('af', 'https://af.example.com', 1, ${"A".repeat(43)}, 1, ${"A".repeat(43)}, 1, 1, '')`;
  await superuser.begin((sql) => addRegion(sql, company, "af"));
  const remove = () => superuser`update regions set removed_at = now() where region = 'af'`;
  expect(await constraintOf(remove())).toBe("regions_in_use");
  await superuser`delete from company_regions where company_id = ${company}`;
  expect(await constraintOf(remove())).toBe("done");
  expect(await constraintOf(superuser.begin((sql) => addRegion(sql, company, "af")))).toBe(
    "company_regions_region",
  );
  expect(await constraintOf(superuser`update regions set removed_at = null where region = 'af'`)).toBe(
    "23000",
  );
});

test("the home changes with its epoch alone, which is raised by one and in every copy", async () => {
  const company = await makeCompany();
  await writeSecret(company, "CUSTOM_A");
  for (const change of ["home_region = 'us'", "home_epoch = 3", "home_epoch = 0"])
    expect(
      await constraintOf(superuser.unsafe(`update companies set ${change} where id = '${company}'`)),
    ).toBe("companies_home_epoch");
  await superuser.begin((sql) => addRegion(sql, company, "us"));
  await superuser.begin(async (sql) => {
    await sql`update companies set home_epoch = 2 where id = ${company}`;
    await sql`update region_copies set home_epoch = 2, revision = nextval('copy_revisions') where company_id = ${company} and kind <> 'secret'`;
  });
  const epochs =
    await superuser`select distinct home_epoch as epoch from region_copies where company_id = ${company}`;
  expect([...epochs]).toEqual([{ epoch: 2 }]);
});

test("the application sees the copies of the company in scope alone, and makes none of a secret", async () => {
  const [company, other] = [await makeCompany(), await makeCompany()];
  for (const each of [company, other]) {
    await writeSecret(each, "CUSTOM_A");
    await superuser.begin((sql) => addRegion(sql, each, "us"));
  }
  const codeOf = (statement: string) =>
    database
      .inCompany(company, (statements) => statements.execute(statement))
      .then(
        (rows) => rows.length,
        (error: unknown) => (error instanceof Error && "code" in error ? error.code : "?"),
      );
  expect(await codeOf("select from region_copies")).toBe(3);
  const insert = (of: string, kind: string, signature: string) =>
    codeOf(`insert into region_copies (target_region, company_id, kind, name, home_region, home_epoch, revision, body, signature)
      values ('us', '${of}', '${kind}', '7', 'eu', 1, nextval('copy_revisions'), '', ${signature})`);
  expect(await insert(company, "secret", "null")).toBe("42501");
  expect(await insert(other, "key", "'fake'")).toBe("42501");
  expect(await insert(company, "key", "'fake'")).toBe(0);
  expect(await codeOf("update region_copies set body = ''")).toBe("42501");
  expect(await codeOf("delete from region_copies")).toBe("42501");
  expect(await codeOf("select copy_secrets(null, null, null)")).toBe("42501");
});

test("a home says to every region that is in use that it is there", async () => {
  await database.acrossCompanies((statements) => statements.execute("select beat_regions('eu')"));
  const beats =
    await superuser`select target_region as region, home_region as home from region_beats order by 1`;
  expect([...beats]).toEqual([
    { region: "ap", home: "eu" },
    { region: "us", home: "eu" },
  ]);
});
