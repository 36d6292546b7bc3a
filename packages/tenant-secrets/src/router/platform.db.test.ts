import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { createFixture, operator, product } from "../testing/fixture.ts";
import { verifyReceipt } from "../receipts.ts";
import { createCaller } from "./router.ts";
import { createCallerContext } from "./trpc.ts";

const fixture = await createFixture();
const { secrets } = fixture;
const { companies, operators, users } = createCaller(createCallerContext(secrets, operator));
const inAnHour = () => new Date(Date.now() + 3_600_000);

test("a company is described with its secrets, members, active API keys and the age of its key", async () => {
  const company = await fixture.company("database");
  expect(await companies.get({ company })).toMatchObject({
    subdomain: company,
    status: "active",
    secrets: 0,
    members: 0,
    apiKeys: 0,
    key: undefined,
    shreddedAt: undefined,
  });
  const own = secrets.company(company, product);
  await own.setMany({ CUSTOM_A: "fake_a_0001", CUSTOM_B: "fake_b_0001" });
  await own.set("CUSTOM_A", "fake_a_0002");
  await own.set("CUSTOM_GONE", "fake_gone_0001");
  await own.remove("CUSTOM_GONE");
  await fixture.person(company, "owner");
  const key = { companies: [company], platform: false, verbs: ["use"], secretKeys: ["*"] } as const;
  for (const name of ["kept", "revoked"]) {
    const made = await secrets.apiKeys.create(operator, { ...key, name, expiresAt: inAnHour() });
    if (name === "revoked") await secrets.apiKeys.revoke(operator, company, made.description.id);
  }
  const before = await companies.get({ company });
  expect(before).toMatchObject({ secrets: 2, members: 1, apiKeys: 1, key: { version: 1 } });
  expect(Math.abs(Date.now() - (before.key?.createdAt.getTime() ?? 0))).toBeLessThan(60_000);
  const listed = await companies.list();
  expect(listed.find(({ subdomain }) => subdomain === company)).toEqual(before);
  await expect(companies.get({ company: "nobody-here" })).rejects.toMatchObject({ code: "NOT_FOUND" });
});

test("a company that an operator shreds by the API has a receipt that is genuine, and no value any more", async () => {
  const company = await fixture.company("database");
  await secrets.company(company, product).set("CUSTOM_A", "fake_a_0001");
  const receipt = await companies.shred({ company, backupsKeptDays: 30 });
  expect(await companies.receipt({ company })).toEqual(receipt);
  expect(await companies.shred({ company, backupsKeptDays: 30 })).toEqual(receipt);
  const publicKey = await secrets.shredding.publicKey(operator);
  expect(verifyReceipt(JSON.stringify(receipt), publicKey)).toMatchObject({
    company: { subdomain: company },
  });
  await expect(secrets.company(company, product).get("CUSTOM_A")).rejects.toMatchObject({
    code: "KEY_DESTROYED",
  });
  expect(await companies.get({ company })).toMatchObject({
    key: undefined,
    apiKeys: 0,
    shreddedAt: new Date(JSON.parse(receipt.receipt).shreddedAt),
  });
  const untouched = await fixture.company("database");
  await expect(companies.receipt({ company: untouched })).rejects.toMatchObject({ code: "NOT_FOUND" });
  await expect(companies.shred({ company: untouched, backupsKeptDays: -1 })).rejects.toMatchObject({
    code: "BAD_REQUEST",
  });
});

test("operators are listed without their tokens", async () => {
  const { id, token } = await secrets.operators.create(product, { name: "Ada", expiresAt: inAnHour() });
  const list = await operators.list();
  expect(list.find((each) => each.id === id)).toMatchObject({ name: "Ada", revokedAt: undefined });
  expect(JSON.stringify(list)).not.toContain(token.slice(-20));
});

test("people of every company are listed by pages, with their sign-ins and whether they may still sign in", async () => {
  const [a, b] = [await fixture.company("database"), await fixture.company("database")];
  const members = [];
  for (const email of ["zoe@example.com", "amy@example.com", "bob@example.com"]) {
    members.push(await secrets.members.add(operator, a, { email, name: "Of a", role: "member" }));
  }
  const [zoe, amy, bob] = members.map(({ userId }) => userId);
  await secrets.members.add(operator, b, { email: "amy@example.com", name: "Of b", role: "member" });
  const { session } = fixture.accounts.start(amy ?? "");
  await secrets.users.disable(operator, bob ?? "");

  const all = (await users.list({})).users;
  expect(all.map(({ email }) => email)).toEqual(all.map(({ email }) => email).toSorted());
  const ours = all.filter(({ id }) => [zoe, amy, bob].includes(id));
  expect(ours).toEqual([
    {
      id: amy,
      email: "amy@example.com",
      name: "",
      status: "active",
      companies: 2,
      lastSignInAt: session.createdAt,
      secondFactor: true,
    },
    expect.objectContaining({ id: bob, status: "disabled", companies: 1, lastSignInAt: undefined }),
    expect.objectContaining({ id: zoe, status: "active", companies: 1, secondFactor: false }),
  ]);
  const pages = [];
  let next: string | undefined;
  do {
    const page = await users.list({ after: next, limit: 2 });
    expect(page.users.length).toBeLessThanOrEqual(2);
    pages.push(...page.users);
    next = page.next;
  } while (next !== undefined);
  expect(pages).toEqual(all);
  expect((await users.list({ limit: all.length })).next).toBeUndefined();
  await expect(users.list({ after: randomUUID() })).rejects.toMatchObject({ code: "NOT_FOUND" });
  const without = await fixture.another({ accounts: undefined }).users.list(operator, { limit: 1 });
  expect(without.users[0]).not.toHaveProperty("secondFactor");
});
