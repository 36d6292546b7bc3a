import { randomUUID } from "node:crypto";
import { beforeAll, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { signCopy } from "@repo/envelope";
import { createMasterKeys } from "../keys/master/master-keys.ts";
import { createRegionKeys } from "../keys/region-keys.ts";
import { verifyReceipt } from "../receipts.ts";
import { codeOf, operator, product } from "../testing/fixture.ts";
import { createRegionPair, homeRegion, type RegionPair } from "../testing/region-pair.ts";

let pair: RegionPair;
let subdomain: string;
let id: string;
let canary: string;

beforeAll(async () => {
  pair = await createRegionPair();
});

beforeEach(async () => {
  canary = `canary-${randomUUID().slice(0, 8)}`;
  subdomain = canary;
  await pair.home.secrets.companies.create(operator, { subdomain, secretStore: "database" });
  await pair.home.secrets.company(subdomain, product).set("CUSTOM_A", "fake_0001");
  id = await pair.allow(subdomain);
  await arrive();
});

const { signal } = new AbortController();
/** Brings what there is, and does what the job does. */
async function arrive(): Promise<void> {
  await pair.bring();
  await pair.target.secrets.adoption.sweep(signal);
}

async function rowHere() {
  const [row] = await pair.target.superuser`
    select subdomain, status, home_region as home, home_epoch as epoch, secret_store as store, recovery_days as days
    from companies where id = ${id}`;
  return row;
}

const away = () => pair.target.secrets.company(subdomain, product);
const inAnHour = () => new Date(Date.now() + 3_600_000);
const newKey = (companies: readonly string[], platform = false) =>
  pair.target.secrets.apiKeys.create(operator, {
    // The name of a platform key is in its operator's words, and stays.
    name: platform ? "of the platform" : `of ${subdomain}`,
    verbs: ["use"],
    secretKeys: ["*"],
    platform,
    companies,
    expiresAt: inAnHour(),
  });
const eventsOf = async (action: string) => {
  const rows = await pair.target.superuser`
    select outcome, version from audit_events where company_id = ${id} and action = ${action} order by position`;
  return rows.map(({ outcome }) => String(outcome));
};

test("a company that arrives has a row here, with a valid MAC, and is read by API keys of this region", async () => {
  expect(await rowHere()).toEqual({
    subdomain,
    status: "active",
    home: homeRegion,
    epoch: 1,
    store: "database",
    days: 30,
  });
  expect(await away().get("CUSTOM_A")).toBe("fake_0001");
  const { apiKey } = await newKey([subdomain]);
  const caller = await pair.target.secrets.authenticate({ credential: apiKey });
  expect(await pair.target.secrets.company(subdomain, caller).get("CUSTOM_A")).toBe("fake_0001");
  expect(await eventsOf("company.adopt")).toEqual(["success"]);
  await pair.target.secrets.adoption.sweep(signal);
  expect(await eventsOf("company.adopt")).toEqual(["success"]);
});

test("its row follows a new name, a suspension and a resumption at home", async () => {
  const renamed = `${subdomain}-b`;
  await pair.home.secrets.companies.rename(operator, subdomain, { subdomain: renamed });
  await pair.home.secrets.companies.setRecovery(operator, renamed, 60);
  await arrive();
  expect(await rowHere()).toMatchObject({ subdomain: renamed, days: 60 });
  subdomain = renamed;
  await pair.home.secrets.suspension.suspend(operator, subdomain);
  await arrive();
  expect(await rowHere()).toMatchObject({ status: "suspended" });
  expect(await codeOf(away().get("CUSTOM_A"))).toBe("COMPANY_SUSPENDED");
  await pair.home.secrets.suspension.resume(operator, subdomain);
  await arrive();
  expect(await rowHere()).toMatchObject({ status: "active" });
  expect(await away().get("CUSTOM_A")).toBe("fake_0001");
});

test("a subdomain that another company has here is not taken from it", async () => {
  const alarms: string[] = [];
  const taken = `${subdomain}-taken`;
  await pair.target.secrets.companies.create(operator, { subdomain: taken, secretStore: "database" });
  await pair.home.secrets.companies.rename(operator, subdomain, { subdomain: taken });
  const serving = await pair.target.secrets.serve(pair.target.urls.listener, ({ message }) =>
    alarms.push(message),
  );
  await arrive();
  await serving.stop();
  expect(await rowHere()).toMatchObject({ subdomain });
  const [other] = await pair.target.superuser`select id from companies where subdomain = ${taken}`;
  expect(other?.["id"]).not.toBe(id);
  expect(alarms.join(" ")).toContain(id);
});

test("it follows its home over several epochs, suspended or not", async () => {
  const { home, target } = pair;
  const keys = createRegionKeys(home.database, createMasterKeys(home.database, home.infisical, homeRegion));
  const { privateKey } = await keys.signing();
  const [copy] = await target.superuser<{ body: string }[]>`
    select body from region_copies where company_id = ${id} and kind = 'company'`;
  if (copy === undefined) throw new Error("the company has a copy");
  const state = { targetRegion: "us", companyId: id, kind: "company", name: "", homeRegion } as const;
  const signature = signCopy(privateKey, { ...state, ...copy, homeEpoch: 4, revision: "9000000" }).toString(
    "hex",
  );
  await target.superuser`update company_homes set home_epoch = 4 where company_id = ${id}`;
  await pair.tamper(id, `home_epoch = 4, revision = 9000000, signature = '\\x${signature}'`, {
    kind: "company",
    name: "",
  });
  await target.superuser`update companies set status = 'suspended' where id = ${id}`;
  await target.remacCompanies(target.superuser);
  await target.secrets.adoption.sweep(signal);
  expect(await rowHere()).toMatchObject({ status: "active", epoch: 4, home: homeRegion });
  const left =
    await target.superuser`select from region_copies where company_id = ${id} and kind = 'company'`;
  expect(left).toHaveLength(1);
});

test("what its home has not signed changes no row", async () => {
  await pair.tamper(id, "body = jsonb_set(body::jsonb, '{subdomain}', '\"evil\"')::text", {
    kind: "company",
    name: "",
  });
  await pair.target.secrets.adoption.sweep(signal);
  expect(await rowHere()).toMatchObject({ subdomain });
});

test("what is gone from the home's copies, and was not withdrawn by it, leaves the row", async () => {
  await pair.target.superuser`delete from region_copies where company_id = ${id}`;
  await pair.target.secrets.adoption.sweep(signal);
  expect(await rowHere()).toMatchObject({ subdomain });
  await arrive();
  expect(await away().get("CUSTOM_A")).toBe("fake_0001");
});

/** Every text of every table, but for the audit log's sealed batches. */
async function textsWith(needle: string): Promise<readonly string[]> {
  const { superuser } = pair.target;
  const relations = await superuser<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema')`;
  const found: string[] = [];
  for (const { name } of relations) {
    const rows = await superuser.unsafe(`select from ${name} t where t::text like '%' || $1 || '%' limit 1`, [
      needle,
    ]);
    if (rows.length > 0) found.push(name);
  }
  return found;
}

test("with its last copy all that hung on it here is gone: no table has its name, a hint or a sealed value", async () => {
  const person = await pair.target.person(subdomain, "owner");
  await pair.target.secrets.invitations.create(operator, subdomain, {
    email: `${canary}@example.com`,
    role: "member",
  });
  await newKey([subdomain]);
  const other = await pair.target.company("database");
  const platform = await newKey([subdomain, other], true);
  const alone = await newKey([subdomain], true);
  await away().get("CUSTOM_A");
  await codeOf(away().set("CUSTOM_A", "fake_0002"));
  await pair.target.secrets.members.list(person, subdomain);
  await pair.target.secrets.flush();
  const [copy] = await pair.target
    .superuser`select body from region_copies where company_id = ${id} and kind = 'secret'`;
  const { encrypted } = z.object({ encrypted: z.string() }).parse(JSON.parse(String(copy?.["body"])));
  expect(await textsWith(encrypted)).toEqual(["public.region_copies"]);
  expect(await textsWith(canary)).toContain("public.companies");

  await pair.withdraw(subdomain);
  await arrive();
  expect(await rowHere()).toBeUndefined();
  expect(await codeOf(away().get("CUSTOM_A"))).toBe("NOT_FOUND");
  expect(await textsWith(canary)).toEqual([]);
  expect(await textsWith(encrypted)).toEqual([]);
  expect(await eventsOf("company.forget")).toEqual(["success"]);

  const caller = await pair.target.secrets.authenticate({ credential: platform.apiKey });
  expect(await codeOf(pair.target.secrets.company(other, caller).get("CUSTOM_A"))).toBe("NOT_FOUND");
  expect(await codeOf(pair.target.secrets.authenticate({ credential: alone.apiKey }))).toBe(
    "UNAUTHENTICATED",
  );
});

test("a company that is gone leaves a receipt that this region has signed", async () => {
  await newKey([subdomain]);
  await pair.withdraw(subdomain);
  await arrive();
  const [receipt] = await pair.target.secrets.regionReceipts.receipts(operator);
  if (receipt === undefined) throw new Error("there is no receipt");
  expect(receipt).toMatchObject({ companyId: id, homeRegion });
  expect(JSON.parse(receipt.receipt)).toMatchObject({
    region: "us",
    companyId: id,
    copies: 0,
    deleted: { apiKeys: 1, members: 0, invitations: 0 },
  });
  const publicKey = await pair.target.secrets.shredding.publicKey(operator);
  const { receipt: text, signature } = receipt;
  expect(verifyReceipt(JSON.stringify({ receipt: text, signature }), publicKey)).toMatchObject({
    companyId: id,
  });
  const edited = JSON.stringify({ receipt: text.replace(id, randomUUID()), signature });
  expect(() => verifyReceipt(edited, publicKey)).toThrow("This receipt was modified");
  expect(await codeOf(pair.target.secrets.regionReceipts.receipts(product))).toBe("FORBIDDEN");
});

test("the database refuses to delete a company that is at home here, and one that has copies here", async () => {
  const own = await pair.target.company("database");
  await expect(pair.target.superuser`delete from companies where subdomain = ${own}`).rejects.toMatchObject({
    constraint_name: "companies_kept",
  });
  await expect(pair.target.superuser`delete from companies where id = ${id}`).rejects.toMatchObject({
    constraint_name: "companies_kept",
  });
});

test("it comes back as it was copied, once it is copied again", async () => {
  await pair.withdraw(subdomain);
  await arrive();
  await pair.allow(subdomain);
  await arrive();
  expect(await rowHere()).toMatchObject({ subdomain, status: "active" });
  expect(await away().get("CUSTOM_A")).toBe("fake_0001");
});
