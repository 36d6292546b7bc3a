import { beforeAll, describe, expect, test } from "vitest";
import type { SecretStoreName } from "@repo/catalog";
import { createFixture, product, type Fixture } from "../testing/fixture.ts";
import { putByHand } from "../testing/store-fixture.ts";

let fixture: Fixture;

beforeAll(async () => {
  fixture = await createFixture();
});

const unusable = [
  ["empty", "", "not empty"],
  ["with NUL", "fake\0value", "NUL"],
  ["of 65,537 bytes", "x".repeat(65_537), "65536 bytes"],
  ["with a lone surrogate", "fake \ud800 value", "lone surrogate"],
] as const;

describe.each(["infisical", "hybrid"] as const)("of a company that is %s, a value in Infisical", (store) => {
  const companyWith = async (value: string, name = "CUSTOM_BAD"): Promise<string> => {
    const subdomain = await fixture.company(store satisfies SecretStoreName);
    await fixture.secrets.company(subdomain, product).set("CUSTOM_GOOD", "good");
    await putByHand(fixture, subdomain, { name, value });
    return subdomain;
  };

  test.for(unusable)(
    "a value that %s is refused with its name and rule, without affecting other secrets",
    async ([, value, rule]) => {
      const subdomain = await companyWith(value);
      const secrets = fixture.secrets.company(subdomain, product);
      await expect(secrets.get("CUSTOM_BAD")).rejects.toMatchObject({
        code: "INVALID_VALUE",
        message: expect.stringContaining("CUSTOM_BAD"),
      });
      await expect(secrets.get("CUSTOM_BAD")).rejects.toThrow(rule);
      expect(await secrets.getMany(["CUSTOM_GOOD", "CUSTOM_BAD"])).toEqual({ CUSTOM_GOOD: "good" });
      const { secrets: inCatalog } = await secrets.list();
      expect(inCatalog.map(({ secretKey }) => secretKey)).toEqual(["CUSTOM_BAD", "CUSTOM_GOOD"]);
      const scope = await fixture.scope(subdomain, await fixture.person(subdomain, "owner"));
      expect(await fixture.secrets.vault.export(scope, { format: "env", purpose: "incident" })).toEqual({
        file: "CUSTOM_GOOD=good\n",
        secretKeys: ["CUSTOM_GOOD"],
        leftOut: [{ secretKey: "CUSTOM_BAD", reason: "unusable" }],
      });
      const events = await fixture.superuser`select outcome, reason from audit_events
      where secret_key = 'CUSTOM_BAD' and action = 'secret.read'
        and company_id = (select id from companies where subdomain = ${subdomain})`;
      expect(events.map(({ outcome, reason }) => `${outcome} ${reason}`)).toContain("failed INVALID_VALUE");
      await secrets.set("CUSTOM_BAD", "put right");
      expect(await secrets.get("CUSTOM_BAD")).toBe("put right");
    },
  );

  test.for(unusable)("%s can be removed", async ([, value]) => {
    const secrets = fixture.secrets.company(await companyWith(value), product);
    await secrets.remove("CUSTOM_BAD");
    expect(await secrets.find("CUSTOM_BAD")).toBeUndefined();
  });

  test("a value that violates its entry is left out of a batch read, and refused in a single read", async () => {
    const secrets = fixture.secrets.company(await companyWith("no JSON", "OAUTH_GOOGLE"), product);
    await expect(secrets.get("OAUTH_GOOGLE")).rejects.toMatchObject({ code: "INVALID_VALUE" });
    expect(await secrets.getMany(["CUSTOM_GOOD", "OAUTH_GOOGLE"])).toEqual({ CUSTOM_GOOD: "good" });
  });

  test("a value of 65,536 bytes is served", async () => {
    const value = "é".repeat(32_768);
    const secrets = fixture.secrets.company(await companyWith(value), product);
    expect(await secrets.getMany(["CUSTOM_GOOD", "CUSTOM_BAD"])).toEqual({
      CUSTOM_GOOD: "good",
      CUSTOM_BAD: value,
    });
  });
});

test("a backfilled copy is served even after Infisical's value has become invalid", async () => {
  const subdomain = await fixture.company("hybrid");
  await putByHand(fixture, subdomain, { name: "CUSTOM_KEY", value: "fake-copied" });
  const secrets = fixture.another({ cache: { ttlMs: 1 } }).company(subdomain, product);
  expect(await secrets.get("CUSTOM_KEY")).toBe("fake-copied");
  await fixture.infisical.deleteSecret(`/tenants/${subdomain}`, "CUSTOM_KEY");
  await putByHand(fixture, subdomain, { name: "CUSTOM_KEY", value: "" });
  expect(await secrets.get("CUSTOM_KEY")).toBe("fake-copied");
});
