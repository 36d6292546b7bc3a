import { describe, expect, test } from "vitest";
import type { Caller } from "@repo/catalog";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import type { NewApiKey } from "@repo/catalog";
import { makeCredential } from "./credential.ts";

const fixture = await createFixture();
const { secrets, superuser, infisical } = fixture;
const soon = () => new Date(Date.now() + 3_600_000);

async function apiKey(companies: string[], grant: Partial<NewApiKey> = {}) {
  return secrets.apiKeys.create(operator, {
    name: "test",
    companies,
    platform: false,
    verbs: ["use"],
    secretKeys: ["*"],
    expiresAt: soon(),
    ...grant,
  });
}

async function as(credential: string): Promise<Caller> {
  return secrets.authenticate({ credential });
}

describe("companies", () => {
  test("only operators create, list and rename companies", async () => {
    expect(
      await secrets.companies.create(operator, { subdomain: "renamed", secretStore: "hybrid" }),
    ).toMatchObject({
      subdomain: "renamed",
      secretStore: "hybrid",
      status: "active",
    });
    await secrets.companies.rename(operator, "renamed", { subdomain: "new-name" });
    const names = (await secrets.companies.list(operator)).map(({ subdomain }) => subdomain);
    expect(names).toContain("new-name");
    expect(names).not.toContain("renamed");
    const service = await as((await apiKey(["new-name"])).apiKey);
    for (const caller of [product, service]) {
      expect(await codeOf(secrets.companies.list(caller))).toBe("FORBIDDEN");
      expect(await codeOf(secrets.companies.create(caller, { subdomain: "x", secretStore: "hybrid" }))).toBe(
        "FORBIDDEN",
      );
      expect(await codeOf(secrets.companies.rename(caller, "new-name", { subdomain: "x" }))).toBe(
        "FORBIDDEN",
      );
    }
  });

  test("a renamed company keeps its folder in Infisical, which no other company can get", async () => {
    await secrets.companies.create(operator, { subdomain: "first", secretStore: "infisical" });
    await secrets.company("first", product).set("CUSTOM_KEY", "first's own");
    await secrets.companies.rename(operator, "first", { subdomain: "moved" });
    expect(await secrets.company("moved", product).get("CUSTOM_KEY")).toBe("first's own");
    expect((await infisical.findSecret("/tenants/first", "CUSTOM_KEY"))?.value).toBe("first's own");
    expect(
      await codeOf(secrets.companies.create(operator, { subdomain: "first", secretStore: "infisical" })),
    ).toBe("CONFLICT");
    expect(await codeOf(secrets.company("first", product).get("CUSTOM_KEY"))).toBe("NOT_FOUND");
  });

  test.each(["", "Acme", "a_b", "-a", "a-", "../x", "a.b", "a".repeat(64), "ä"])(
    "are not called %j",
    async (subdomain) => {
      const create = secrets.companies.create(operator, { subdomain, secretStore: "database" });
      expect(await codeOf(create)).toBe("INVALID_INPUT");
    },
  );

  test("a company name is unique: creating or renaming to a taken name is a conflict", async () => {
    const [a, b] = [await fixture.company("database"), await fixture.company("database")];
    expect(await codeOf(secrets.companies.create(operator, { subdomain: a, secretStore: "hybrid" }))).toBe(
      "CONFLICT",
    );
    expect(await codeOf(secrets.companies.rename(operator, b, { subdomain: a }))).toBe("CONFLICT");
    expect(await codeOf(secrets.companies.rename(operator, "nobody", { subdomain: "somebody" }))).toBe(
      "NOT_FOUND",
    );
  });

  test("operators set a company's recovery window to 7 to 90 days", async () => {
    const subdomain = await fixture.company("database");
    const set = (days: number, of = subdomain, caller: Caller = operator) =>
      secrets.companies.setRecovery(caller, of, days);
    expect((await set(7)).recoveryDays).toBe(7);
    expect((await set(90)).recoveryDays).toBe(90);
    for (const days of [6, 91, 7.5, Number.NaN]) expect(await codeOf(set(days))).toBe("INVALID_INPUT");
    expect(await codeOf(set(30, "nobody"))).toBe("NOT_FOUND");
    expect(await codeOf(set(30, subdomain, product))).toBe("FORBIDDEN");
    const { recoveryDays } =
      (await secrets.companies.list(operator)).find((each) => each.subdomain === subdomain) ?? {};
    expect(recoveryDays).toBe(90);
  });
});

describe("API keys", () => {
  test("a company's API key works in that company only, within its verbs and secret keys", async () => {
    const [mine, theirs] = [await fixture.company("database"), await fixture.company("database")];
    for (const subdomain of [mine, theirs])
      await secrets.company(subdomain, product).set("CUSTOM_A", subdomain);
    await secrets.company(mine, product).set("CUSTOM_B", "b");
    const caller = await as(
      (await apiKey([mine], { verbs: ["use", "describe"], secretKeys: ["CUSTOM_A"] })).apiKey,
    );
    expect(await secrets.company(mine, caller).get("CUSTOM_A")).toBe(mine);
    expect((await secrets.company(mine, caller).list()).secrets.map(({ secretKey }) => secretKey)).toEqual([
      "CUSTOM_A",
    ]);
    expect(await codeOf(secrets.company(mine, caller).get("CUSTOM_B"))).toBe("NOT_FOUND");
    expect(await codeOf(secrets.company(mine, caller).set("CUSTOM_A", "x"))).toBe("FORBIDDEN");
    expect(await codeOf(secrets.company(theirs, caller).get("CUSTOM_A"))).toBe("NOT_FOUND");
    expect(await codeOf(secrets.company(theirs, caller).list())).toBe("NOT_FOUND");
    const request: NewApiKey = {
      name: "more",
      companies: [mine],
      platform: false,
      verbs: ["delete"],
      secretKeys: ["*"],
      expiresAt: soon(),
    };
    expect(await codeOf(secrets.apiKeys.create(caller, request))).toBe("FORBIDDEN");
    expect(await codeOf(secrets.apiKeys.list(caller, mine))).toBe("FORBIDDEN");
  });

  test("a platform API key works in the companies that it names", async () => {
    const [a, b, c] = [
      await fixture.company("database"),
      await fixture.company("infisical"),
      await fixture.company("hybrid"),
    ];
    for (const subdomain of [a, b, c]) await secrets.company(subdomain, product).set("CUSTOM_A", subdomain);
    const { apiKey: key, description } = await apiKey([a, b], { platform: true });
    expect(description).toMatchObject({ platform: true, companies: [a, b] });
    const caller = await as(key);
    expect(await secrets.company(a, caller).get("CUSTOM_A")).toBe(a);
    expect(await secrets.company(b, caller).get("CUSTOM_A")).toBe(b);
    expect(await codeOf(secrets.company(c, caller).get("CUSTOM_A"))).toBe("NOT_FOUND");
    expect(await secrets.apiKeys.list(operator, b)).toMatchObject([
      { id: description.id, companies: [a, b] },
    ]);
    expect(await secrets.apiKeys.list(operator, c)).toEqual([]);
  });

  test("an API key stops working when it is revoked, and when it expires by the database's clock", async () => {
    const mine = await fixture.company("database");
    const { apiKey: revoked, description } = await apiKey([mine]);
    await as(revoked);
    await secrets.apiKeys.revoke(operator, mine, description.id);
    await secrets.apiKeys.revoke(operator, mine, description.id);
    expect(await codeOf(as(revoked))).toBe("UNAUTHENTICATED");
    const { apiKey: expired, description: old } = await apiKey([mine]);
    await superuser`update api_keys set expires_at = now() - interval '1 second' where id = ${old.id}`;
    await fixture.remacRows();
    expect(await codeOf(as(expired))).toBe("UNAUTHENTICATED");
    const theirs = await fixture.company("database");
    const { apiKey: kept, description: foreign } = await apiKey([theirs]);
    expect(await codeOf(secrets.apiKeys.revoke(operator, mine, foreign.id))).toBe("NOT_FOUND");
    await as(kept);
  });

  test("an API key is stored as a hash, and its last use is stored", async () => {
    const mine = await fixture.company("database");
    const { apiKey: key, description } = await apiKey([mine]);
    expect(description.lastUsedAt).toBeUndefined();
    await as(key);
    expect((await secrets.apiKeys.list(operator, mine))[0]?.lastUsedAt).toBeInstanceOf(Date);
    const [row] = await superuser`select api_keys::text as text from api_keys where id = ${description.id}`;
    expect(String(row?.["text"])).not.toContain(key.slice(-20));
  });

  test("a company's owners and admins create and revoke its API keys; only operators do so for the platform's", async () => {
    const [mine, theirs] = [await fixture.company("database"), await fixture.company("database")];
    const { description: platformKey } = await apiKey([mine, theirs], { platform: true });
    const { description: foreign } = await apiKey([theirs]);
    const request: NewApiKey = {
      name: "own",
      companies: [mine],
      platform: false,
      verbs: ["describe", "use", "write", "delete"],
      secretKeys: ["*"],
      expiresAt: soon(),
    };
    for (const role of ["owner", "admin"] as const) {
      const person = await fixture.person(mine, role);
      const { description } = await secrets.apiKeys.create(person, request);
      expect(await codeOf(secrets.apiKeys.create(person, { ...request, platform: true }))).toBe("FORBIDDEN");
      for (const companies of [[theirs], [mine, theirs], ["nobody"]]) {
        expect(await codeOf(secrets.apiKeys.create(person, { ...request, companies }))).toBe("NOT_FOUND");
      }
      const list = await secrets.apiKeys.list(person, mine);
      expect(list.map(({ id }) => id)).toContain(description.id);
      // A company does not see which other companies a platform key may enter.
      expect(list.find(({ id }) => id === platformKey.id)).toMatchObject({
        platform: true,
        companies: [mine],
      });
      for (const id of [platformKey.id, foreign.id, crypto.randomUUID()]) {
        expect(await codeOf(secrets.apiKeys.revoke(person, mine, id))).toBe("NOT_FOUND");
      }
      await secrets.apiKeys.revoke(person, mine, description.id);
    }
    for (const role of ["member", "auditor"] as const) {
      const person = await fixture.person(mine, role);
      expect(await codeOf(secrets.apiKeys.create(person, request))).toBe("FORBIDDEN");
      expect(await codeOf(secrets.apiKeys.list(person, mine))).toBe("FORBIDDEN");
      expect(await codeOf(secrets.apiKeys.revoke(person, mine, platformKey.id))).toBe("FORBIDDEN");
    }
  });

  test("an invalid API key is refused with the same message, whatever the reason", async () => {
    const mine = await fixture.company("database");
    const { apiKey: key } = await apiKey([mine]);
    const wrongSecret = `${key.slice(0, 21)}${makeCredential("tsk").text.slice(21)}`;
    const attempts = [
      undefined,
      "",
      "x",
      key.slice(0, -1),
      `${key} `,
      key.toUpperCase(),
      wrongSecret,
      makeCredential("tsk").text,
    ];
    const messages = await Promise.all(
      attempts.map((attempt) =>
        secrets.authenticate({ credential: attempt }).then(
          () => "",
          (error: unknown) => String(error),
        ),
      ),
    );
    expect(new Set(messages).size).toBe(1);
    expect(messages[0]).toContain("API key");
  });

  test("an API key cannot be created without a name, a company, a verb, secret keys and an expiry", async () => {
    const mine = await fixture.company("database");
    const bad: Partial<NewApiKey>[] = [
      { name: " " },
      { name: "a\0b" },
      { companies: [] },
      { companies: [mine, await fixture.company("database")] },
      { verbs: [] },
      { secretKeys: [] },
      { secretKeys: ["STRIPE_*_KEY"] },
      { secretKeys: ["%"] },
      { addresses: [] },
      { addresses: ["192.0.2.1", "localhost"] },
      { addresses: ["192.0.2.0/33"] },
      { expiresAt: new Date(Date.now() - 1) },
      { expiresAt: new Date(Date.now() + 400 * 86_400_000) },
      { expiresAt: new Date(Number.NaN) },
    ];
    for (const change of bad)
      expect(await codeOf(apiKey([mine], change)), JSON.stringify(change)).toBe("INVALID_INPUT");
    expect(await codeOf(apiKey(["nobody"]))).toBe("NOT_FOUND");
    expect(await secrets.apiKeys.list(operator, mine)).toEqual([]);
  });
});

test("failed administrative operations are audited", async () => {
  const subdomain = await fixture.company("database");
  const attempts = [
    () => secrets.companies.create(operator, { subdomain, secretStore: "database" }),
    () => secrets.companies.rename(operator, "nobody", { subdomain: "somebody" }),
    () => secrets.apiKeys.revoke(operator, subdomain, "00000000-0000-4000-8000-000000000000"),
    () => secrets.apiKeys.revoke(operator, subdomain, "no id"),
    () => apiKey([subdomain], { verbs: [] }),
    () => secrets.operators.create(product, { name: "a\0b", expiresAt: soon() }),
    () => secrets.operators.revoke(product, "no id"),
  ];
  const codes = [];
  for (const attempt of attempts) codes.push(await codeOf(attempt()));
  expect(codes).toEqual([
    "CONFLICT",
    "NOT_FOUND",
    "NOT_FOUND",
    "NOT_FOUND",
    "INVALID_INPUT",
    "INVALID_INPUT",
    "NOT_FOUND",
  ]);
  const events =
    await superuser`select outcome || ' ' || reason as text from audit_events order by position desc limit ${codes.length}`;
  expect(events.map((row) => String(row["text"])).toSorted()).toEqual(
    codes.map((code) => `failed ${code}`).toSorted(),
  );
});

test("an operator's token works, and reads no value", async () => {
  const subdomain = await fixture.company("database");
  await secrets.company(subdomain, product).set("CUSTOM_KEY", "fake");
  const { token } = await secrets.operators.create(product, { name: "Ada", expiresAt: soon() });
  const caller = await as(token);
  expect(caller.actor.kind).toBe("operator");
  expect((await secrets.companies.list(caller)).length).toBeGreaterThan(0);
  expect((await secrets.company(subdomain, caller).list()).secrets).toHaveLength(1);
  expect(await codeOf(secrets.company(subdomain, caller).get("CUSTOM_KEY"))).toBe("FORBIDDEN");
  expect(await codeOf(secrets.company(subdomain, caller).set("CUSTOM_KEY", "x"))).toBe("FORBIDDEN");
  expect(await codeOf(secrets.company(subdomain, caller).remove("CUSTOM_KEY"))).toBe("FORBIDDEN");
  const [ada] = (await secrets.operators.list(product)).filter(({ name }) => name === "Ada");
  await secrets.operators.revoke(product, ada?.id ?? "");
  expect(await codeOf(as(token))).toBe("UNAUTHENTICATED");
  const far = new Date(Date.now() + 400 * 86_400_000);
  expect(await codeOf(secrets.operators.create(product, { name: "Eve", expiresAt: far }))).toBe(
    "INVALID_INPUT",
  );
});
