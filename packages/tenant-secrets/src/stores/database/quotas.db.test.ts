import { beforeEach, expect, test } from "vitest";
import { codeOf, createFixture, product } from "../../testing/fixture.ts";

const fixture = await createFixture();
const small = { secrets: 5, versions: 20, bytes: 100_000 };
const secrets = fixture.another({ quotas: small });

let company = "";
beforeEach(async () => {
  company = await fixture.company("database");
});

const set = (name: string, value = "fake-value", on = secrets) =>
  codeOf(on.company(company, product).set(`CUSTOM_${name}`, value));
const countOf = (codes: readonly string[], code: string): number =>
  codes.filter((each) => each === code).length;

async function stored() {
  const [row] = await fixture.superuser`
    select (select count(*)::int from company_secrets s where s.company_id = c.id) as secrets,
      (select count(*)::int from company_secret_versions v where v.company_id = c.id) as versions
    from companies c where subdomain = ${company}`;
  return row;
}

test("of 50 concurrent new secrets as many are written as the quota allows, and the errors of the others name the quota", async () => {
  const codes = await Promise.all(Array.from({ length: 50 }, (_, i) => set(`NEW_${i}`)));
  expect([countOf(codes, "no error"), countOf(codes, "NOT_SUPPORTED")]).toEqual([5, 45]);
  expect(await stored()).toMatchObject({ secrets: 5, versions: 5 });
  await expect(secrets.company(company, product).set("CUSTOM_MORE", "fake-value")).rejects.toThrow(
    "a company may have 5 secrets",
  );
});

test("a company at its quota still reads, replaces, removes and purges, and other companies are not affected", async () => {
  for (let i = 0; i < 5; i++) expect(await set(`S_${i}`)).toBe("no error");
  expect(await set("S_5")).toBe("NOT_SUPPORTED");
  const mine = secrets.company(company, product);
  expect(await set("S_0", "fake-replaced")).toBe("no error");
  expect(await mine.get("CUSTOM_S_0")).toBe("fake-replaced");
  const other = await fixture.company("database");
  await secrets.company(other, product).set("CUSTOM_KEY", "fake-other");
  await mine.remove("CUSTOM_S_1");
  expect(await set("S_5")).toBe("NOT_SUPPORTED");
  await mine.purge("CUSTOM_S_1");
  await expect.poll(() => set("S_5"), { timeout: 60_000, interval: 200 }).toBe("no error");
});

test("the quota of versions includes batches, stages and rollbacks, and refuses a batch as a whole", async () => {
  const mine = secrets.company(company, product);
  for (let i = 0; i < 16; i++) expect(await set("V", `fake-${i}`)).toBe("no error");
  await mine.setMany({ CUSTOM_A: "fake-a", CUSTOM_B: "fake-b" });
  expect(await codeOf(mine.setMany({ CUSTOM_A: "1a", CUSTOM_B: "1b", CUSTOM_C: "1c" }))).toBe(
    "NOT_SUPPORTED",
  );
  expect(await stored()).toMatchObject({ secrets: 3, versions: 18 });
  expect(await codeOf(mine.stage("CUSTOM_A", "fake-staged"))).toBe("no error");
  expect(await codeOf(mine.rollback("CUSTOM_V", { toVersion: 15 }))).toBe("no error");
  expect(await codeOf(mine.rollback("CUSTOM_V", { toVersion: 14 }))).toBe("NOT_SUPPORTED");
  expect(await codeOf(mine.stage("CUSTOM_B", "fake-staged"))).toBe("NOT_SUPPORTED");
  expect(await set("V")).toBe("NOT_SUPPORTED");
  expect(await stored()).toMatchObject({ versions: 20 });
});

test("the quota of bytes is about encrypted values, and a failed write takes none of it", async () => {
  const large = "x".repeat(60_000);
  expect(await set("LARGE", large)).toBe("no error");
  expect(await set("SECOND", large)).toBe("NOT_SUPPORTED");
  const [row] =
    await fixture.superuser`select octet_length(secret_value_encrypted) as bytes from company_secrets
    where company_id = (select id from companies where subdomain = ${company})`;
  expect(Math.abs(Number(row?.["bytes"]) - Math.ceil(((60_000 + 28) * 4) / 3))).toBeLessThan(20);
  // A conflict, ten times over, undoes what it took.
  for (let i = 0; i < 10; i++) {
    const conflict = secrets.company(company, product).set("CUSTOM_LARGE", "x".repeat(10_000), {
      expectedVersion: 99,
    });
    expect(await codeOf(conflict)).toBe("CONFLICT");
  }
  expect(await set("THIRD", "x".repeat(10_000))).toBe("no error");
});

test("another process measures the stored secrets, and refuses at the same quota", async () => {
  for (let i = 0; i < 5; i++) await set(`P_${i}`);
  expect(await set("P_6", "fake-value", fixture.another({ quotas: small }))).toBe("NOT_SUPPORTED");
  expect(await set("P_6", "fake-value", fixture.another())).toBe("no error");
});
