import { expect, test } from "vitest";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";

const fixture = await createFixture();
const { secrets, superuser } = fixture;
const check = () => secrets.checkValues(operator);
const events = async () =>
  (
    await superuser`select outcome from audit_events where action = 'key.check-values' order by sequence_no`
  ).map((row) => String(row["outcome"]));

/** A database administrator who disables the triggers. */
async function tamper(statement: string): Promise<void> {
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql.unsafe(statement);
  });
}

test("every value is opened and counted, and what does not open is named without a value, in one event", async () => {
  const [one, two, shredded] = [
    await fixture.company("database"),
    await fixture.company("database"),
    await fixture.company("database"),
  ];
  await fixture.company("infisical");
  for (const [subdomain, values] of [
    [one, ["fake-1", "fake-2"]],
    [two, ["fake-3"]],
    [shredded, ["fake-4"]],
  ] as const)
    for (const value of values) await secrets.company(subdomain, product).set("CUSTOM_KEY", value);
  await secrets.company(one, product).set("CUSTOM_OTHER", "fake-5");
  await secrets.shredding.shred(operator, shredded, { backupsKeptDays: 30, withInfisicalFolder: false });

  const sound = { companies: 4, inInfisical: 1, current: 3, otherVersions: 1, failed: 0, failures: [] };
  expect(await check()).toMatchObject(sound);
  expect(await events()).toEqual(["success"]);

  // One company's value in the place of another's.
  const [kept] = await superuser`select secret_value_encrypted as value from company_secrets h
    join companies c on c.id = h.company_id where c.subdomain = ${two} and secret_key = 'CUSTOM_KEY'`;
  await tamper(`update company_secrets h set secret_value_encrypted = (select secret_value_encrypted from company_secrets h2
      join companies c2 on c2.id = h2.company_id where c2.subdomain = '${one}' and h2.secret_key = 'CUSTOM_KEY')
    from companies c where c.id = h.company_id and c.subdomain = '${two}'`);
  const wrong = await check();
  expect(wrong).toMatchObject({
    current: 2,
    failed: 1,
    failures: [{ company: two, secretKey: "CUSTOM_KEY", version: 1, code: "INTEGRITY_FAILURE" }],
  });
  expect(JSON.stringify(wrong)).not.toContain("fake");
  expect(await events()).toEqual(["success", "failed"]);
  await tamper(`update company_secrets h set secret_value_encrypted = '${String(kept?.["value"])}'
    from companies c where c.id = h.company_id and c.subdomain = '${two}'`);
  expect(await check()).toMatchObject(sound);
});

test("only an operator checks values", async () => {
  const company = await fixture.company("database");
  expect(await codeOf(secrets.checkValues(await fixture.person(company, "owner")))).toBe("FORBIDDEN");
  expect(await codeOf(secrets.checkValues(product))).toBe("FORBIDDEN");
});
