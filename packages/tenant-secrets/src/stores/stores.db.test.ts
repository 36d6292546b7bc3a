import { describe, expect, test } from "vitest";
import { codeOf, createFixture, product } from "../testing/fixture.ts";

const fixture = await createFixture();
const { secrets, superuser, infisical } = fixture;
const handle = (subdomain: string) => secrets.company(subdomain, product);

describe.each(["infisical", "hybrid", "database"] as const)("the %s store", (store) => {
  test(`the ${store} store takes a reference to another company's secret as text`, async () => {
    const other = await fixture.company(store);
    await infisical.putSecret(`/tenants/${other}`, "CUSTOM_KEY", "fake-other-company");
    const acme = handle(await fixture.company(store));
    const reference = `\${dev.tenants.${other}.CUSTOM_KEY}`;
    await acme.set("CUSTOM_KEY", reference);
    expect(await acme.get("CUSTOM_KEY")).toBe(reference);
  });

  test(`the ${store} store returns values of several fields, and its lists tell what the catalogue knows`, async () => {
    const acme = handle(await fixture.company(store));
    const client = { clientId: "id-1", clientSecret: "fake-client-secret" };
    await acme.set("OAUTH_GOOGLE", client);
    expect(await acme.get("OAUTH_GOOGLE")).toEqual(client);
    await acme.set("STRIPE_SECRET_KEY", "sk_test_fake_listing_0042");
    const list = await acme.list();
    expect(list.store).toBe(store);
    expect(list.secrets.map(({ secretKey, version, inCatalog }) => [secretKey, version, inCatalog])).toEqual([
      ["OAUTH_GOOGLE", 1, true],
      ["STRIPE_SECRET_KEY", 1, true],
    ]);
    expect(JSON.stringify(list)).not.toMatch(/fake/);
  });
});

describe("the database store", () => {
  test("the database store numbers the versions of 50 concurrent writes without a gap", async () => {
    const acme = handle(await fixture.company("database"));
    const written = await Promise.all(
      Array.from({ length: 50 }, (_, i) => acme.set("CUSTOM_KEY", `value-${i}`)),
    );
    const versions = written.map(({ version }) => version).toSorted((a, b) => a - b);
    expect(versions).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  });

  test("the database store applies a retried write once, and refuses its request id for another write", async () => {
    const subdomain = await fixture.company("database");
    const acme = handle(subdomain);
    const retry = () => acme.set("CUSTOM_KEY", "once", { requestId: "deploy-17" });
    const results = await Promise.all(Array.from({ length: 10 }, retry));
    expect(results).toEqual(Array.from({ length: 10 }, () => ({ version: 1 })));
    await acme.set("CUSTOM_KEY", "later");
    expect(await retry()).toEqual({ version: 1 });
    expect(await acme.get("CUSTOM_KEY")).toBe("later");
    expect(await codeOf(acme.set("CUSTOM_KEY", "other body", { requestId: "deploy-17" }))).toBe("CONFLICT");
    expect(await codeOf(acme.set("CUSTOM_OTHER", "once", { requestId: "deploy-17" }))).toBe("CONFLICT");
    expect(await acme.find("CUSTOM_OTHER")).toBeUndefined();
    const neighbour = handle(await fixture.company("database"));
    expect(await neighbour.set("CUSTOM_KEY", "theirs", { requestId: "deploy-17" })).toEqual({ version: 1 });
    await superuser`update write_requests set created_at = now() - interval '25 hours'`;
    expect(await retry()).toEqual({ version: 3 });
  });

  test("the database store has a row for every version and one copy of every encrypted value", async () => {
    const subdomain = await fixture.company("database");
    const acme = handle(subdomain);
    for (const value of ["one", "two", "three"])
      await acme.set("CUSTOM_KEY", value, { note: `says ${value.length}` });
    await acme.remove("CUSTOM_KEY");
    await acme.set("CUSTOM_KEY", "four");
    const versions = await superuser`
      select v.version, v.value_encrypted is not null as kept, v.note, p.version as previous from company_secret_versions v
      left join company_secret_versions p on p.company_id = v.company_id and p.id = v.previous_version_id
      join companies c on c.id = v.company_id and c.subdomain = ${subdomain} order by v.version`;
    expect(versions.map((row) => [row["version"], row["previous"], row["kept"], row["note"]])).toEqual([
      [1, null, true, "says 3"],
      [2, 1, true, "says 3"],
      [3, 2, true, "says 5"],
      [4, 3, false, null],
    ]);
    const copies = await superuser`
      select value_encrypted from (select secret_value_encrypted as value_encrypted from company_secrets
        union all select value_encrypted from company_secret_versions) s where value_encrypted is not null
      group by value_encrypted having count(*) > 1`;
    expect(copies).toHaveLength(0);
  });

  test("equal values have equal fingerprints in one company and different ones in two companies", async () => {
    const acme = handle(await fixture.company("database"));
    const other = handle(await fixture.company("database"));
    for (const company of [acme, other]) await company.set("CUSTOM_A", "the same");
    await acme.set("CUSTOM_B", "the same");
    const [a, b] = (await acme.list()).secrets;
    const [c] = (await other.list()).secrets;
    expect(a?.fingerprint).toBe(b?.fingerprint);
    expect(a?.fingerprint).not.toBe(c?.fingerprint);
  });
});

describe("a removed secret", () => {
  test("a removed secret is restored unchanged, once, inside its recovery time", async () => {
    const subdomain = await fixture.company("database");
    const acme = handle(subdomain);
    expect(await codeOf(acme.restore("CUSTOM_KEY"))).toBe("NOT_FOUND");
    await acme.set("CUSTOM_KEY", "one");
    expect(await codeOf(acme.restore("CUSTOM_KEY"))).toBe("NOT_FOUND");
    await acme.set("CUSTOM_KEY", "two");
    await acme.remove("CUSTOM_KEY");
    expect(await acme.restore("CUSTOM_KEY")).toEqual({ version: 2 });
    expect(await acme.get("CUSTOM_KEY")).toBe("two");
    expect(await codeOf(acme.restore("CUSTOM_KEY"))).toBe("NOT_FOUND");
    await acme.remove("CUSTOM_KEY");
    await superuser`update company_secrets set recover_until = now() - interval '1 second' where recover_until is not null`;
    await fixture.remacHeads();
    expect(await codeOf(acme.restore("CUSTOM_KEY"))).toBe("NOT_FOUND");
    expect(await acme.set("CUSTOM_KEY", "three", { expectedVersion: 0 })).toEqual({ version: 3 });
  });

  test.each(["hybrid", "database"] as const)(
    "the %s store removes a secret that does not decrypt",
    async (store) => {
      const acme = handle(await fixture.company(store));
      await acme.set("CUSTOM_BROKEN", "one");
      await superuser`update company_secrets set secret_value_encrypted = 'broken' where secret_key = 'CUSTOM_BROKEN'`;
      expect(await codeOf(acme.get("CUSTOM_BROKEN"))).toBe("INTEGRITY_FAILURE");
      await acme.remove("CUSTOM_BROKEN");
      expect(await acme.find("CUSTOM_BROKEN")).toBeUndefined();
    },
  );
});

describe("the hybrid store", () => {
  const outside = (subdomain: string) => `/tenants/${subdomain}`;

  test("the hybrid store reads from the database, and from Infisical only secrets that the database does not know", async () => {
    const subdomain = await fixture.company("hybrid");
    const acme = handle(subdomain);
    await infisical.putSecret(outside(subdomain), "CUSTOM_KEY", "from Infisical");
    await infisical.putSecret(outside(subdomain), "CUSTOM_OUTSIDE", "only there");
    expect(await acme.get("CUSTOM_KEY")).toBe("from Infisical");
    expect(await acme.set("CUSTOM_KEY", "from the database", { expectedVersion: 1 })).toEqual({ version: 2 });
    expect(await acme.get("CUSTOM_KEY")).toBe("from the database");
    expect(
      (await acme.list()).secrets.map(({ secretKey, location, version }) => [secretKey, location, version]),
    ).toEqual([
      ["CUSTOM_KEY", "database", 2],
      ["CUSTOM_OUTSIDE", "infisical", 0],
    ]);
    expect((await infisical.findSecret(outside(subdomain), "CUSTOM_KEY"))?.value).toBe("from Infisical");
  });

  test("the hybrid store never revives a removed secret from Infisical, and leaves the copy there unchanged", async () => {
    const subdomain = await fixture.company("hybrid");
    const acme = handle(subdomain);
    await infisical.putSecret(outside(subdomain), "CUSTOM_BOTH", "old");
    await infisical.putSecret(outside(subdomain), "CUSTOM_OUTSIDE", "old");
    await acme.set("CUSTOM_BOTH", "new");
    await acme.remove("CUSTOM_BOTH");
    await acme.remove("CUSTOM_OUTSIDE");
    expect(await acme.find("CUSTOM_BOTH")).toBeUndefined();
    expect(await acme.find("CUSTOM_OUTSIDE")).toBeUndefined();
    expect((await acme.list()).secrets).toEqual([]);
    expect(await codeOf(acme.remove("CUSTOM_OUTSIDE"))).toBe("NOT_FOUND");
    expect(await codeOf(acme.restore("CUSTOM_OUTSIDE"))).toBe("NOT_FOUND");
    expect((await infisical.findSecret(outside(subdomain), "CUSTOM_OUTSIDE"))?.value).toBe("old");
    expect(await acme.set("CUSTOM_OUTSIDE", "back on purpose", { expectedVersion: 0 })).toEqual({
      version: 1,
    });
  });
});

test("one of several concurrent removals of a secret that only Infisical has succeeds", async () => {
  const subdomain = await fixture.company("hybrid");
  await infisical.putSecret(`/tenants/${subdomain}`, "CUSTOM_OUTSIDE", "old");
  const acme = handle(subdomain);
  const codes = await Promise.all(Array.from({ length: 5 }, () => codeOf(acme.remove("CUSTOM_OUTSIDE"))));
  expect(codes.toSorted()).toEqual(["NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "no error"]);
});

test("request ids are deleted after 24 hours", async () => {
  const acme = handle(await fixture.company("database"));
  for (let i = 0; i < 3; i++) await acme.set("CUSTOM_KEY", "fake", { requestId: `old-${i}` });
  await superuser`update write_requests set created_at = now() - interval '25 hours' where request_id like 'old-%'`;
  await acme.set("CUSTOM_KEY", "fake", { requestId: "new" });
  expect(await superuser`select from write_requests where request_id like 'old-%'`).toHaveLength(0);
});

test("a name in Infisical that the catalogue does not have is listed as such, and cannot be read", async () => {
  const subdomain = await fixture.company("infisical");
  await infisical.putSecret(`/tenants/${subdomain}`, "TWILIO_TOKEN", "fake");
  const acme = handle(subdomain);
  expect((await acme.list()).secrets).toMatchObject([{ secretKey: "TWILIO_TOKEN", inCatalog: false }]);
  expect(
    await codeOf(secrets.vault.read(await fixture.scope(subdomain), { secretKey: "TWILIO_TOKEN" })),
  ).toBe("UNKNOWN_SECRET_KEY");
});
