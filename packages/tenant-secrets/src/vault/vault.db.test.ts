import { createSecretKey } from "node:crypto";
import { tables } from "@repo/db";
import { drizzle } from "drizzle-orm/postgres-js";
import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { isGenuine } from "@repo/audit-log";
import { type Caller, systemCaller } from "@repo/catalog";
import { companyIdOf } from "../companies/company-id.ts";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import { createAuditKeys } from "../keys/audit-keys.ts";
import { createMasterKeys } from "../keys/master/master-keys.ts";

const fixture = await createFixture();
const { secrets, superuser, infisical } = fixture;
const rows = drizzle({ client: superuser });

async function idOf(subdomain: string): Promise<string> {
  const [row] = await superuser`select id from companies where subdomain = ${subdomain}`;
  return String(row?.["id"]);
}

async function eventsOf(subdomain: string) {
  return rows
    .select()
    .from(tables.auditEvents)
    .where(eq(tables.auditEvents.companyId, await idOf(subdomain)))
    .orderBy(tables.auditEvents.position);
}

describe("tampering in the database is detected, and nothing tampered is decrypted", () => {
  async function tampered(tamper: (companyId: string, otherId: string) => Promise<unknown>): Promise<string> {
    const subdomain = await fixture.company("database");
    const other = await fixture.company("database");
    await secrets.company(subdomain, product).set("CUSTOM_KEY", "fake-value-one");
    await secrets.company(subdomain, product).set("CUSTOM_KEY", "fake-value-two");
    await secrets.company(subdomain, product).set("CUSTOM_OTHER", "fake-value-two");
    await secrets.company(other, product).set("CUSTOM_KEY", "fake-other-value");
    await tamper(await idOf(subdomain), await idOf(other));
    const code = await codeOf(fixture.another().company(subdomain, product).get("CUSTOM_KEY"));
    const last = (await eventsOf(subdomain)).at(-1);
    expect(last).toMatchObject({
      action: "secret.read",
      outcome: "failed",
      reason: code,
      secretKey: "CUSTOM_KEY",
    });
    return code;
  }

  test("a value moved from another company is detected", async () => {
    const code = await tampered(
      (id, other) => superuser`update company_secrets s set secret_value_encrypted = o.secret_value_encrypted
        from company_secrets o where s.company_id = ${id} and o.company_id = ${other}
        and s.secret_key = 'CUSTOM_KEY' and o.secret_key = 'CUSTOM_KEY'`,
    );
    expect(code).toBe("INTEGRITY_FAILURE");
  });

  test("a value moved from another secret of the company is detected", async () => {
    const code = await tampered(
      (id) => superuser`update company_secrets s set secret_value_encrypted = o.secret_value_encrypted
        from company_secrets o where s.company_id = ${id} and o.company_id = ${id}
        and s.secret_key = 'CUSTOM_KEY' and o.secret_key = 'CUSTOM_OTHER'`,
    );
    expect(code).toBe("INTEGRITY_FAILURE");
  });

  test("an old version in place of the current one is detected", async () => {
    const code = await tampered(
      (id) => superuser`update company_secrets s set secret_value_encrypted = v.value_encrypted
        from company_secret_versions v where s.company_id = ${id} and v.company_id = ${id}
        and s.secret_key = 'CUSTOM_KEY' and v.secret_key = 'CUSTOM_KEY' and v.version = 1`,
    );
    expect(code).toBe("INTEGRITY_FAILURE");
  });

  test.each([
    ["cut", "left(secret_value_encrypted, length(secret_value_encrypted) - 4)"],
    ["emptied", "''"],
    [
      "flipped",
      "overlay(secret_value_encrypted placing case right(secret_value_encrypted, 1) when 'A' then 'B' else 'A' end from length(secret_value_encrypted))",
    ],
    [
      "in the form of the strategy's own sample code",
      "'00112233445566778899aabb:c0ffee:00112233445566778899aabbccddeeff'",
    ],
    ["plain text", "'fake-value-one'"],
  ])("a value that is %s", async (_, expression) => {
    const code = await tampered(
      (id) =>
        superuser`update company_secrets set secret_value_encrypted = ${superuser.unsafe(expression)}
          where company_id = ${id} and secret_key = 'CUSTOM_KEY'`,
    );
    expect(code).toBe("INTEGRITY_FAILURE");
  });

  test("a company key's wrap moved from another company is detected", async () => {
    const code = await tampered(
      (id, other) => superuser`update company_key_wraps w set wrapped = o.wrapped from company_key_wraps o
        where w.company_id = ${id} and o.company_id = ${other}`,
    );
    expect(code).toBe("INTEGRITY_FAILURE");
  });

  test("a missing company key is reported, and no new key is created over existing values", async () => {
    const code = await tampered((id) =>
      superuser.begin(async (sql) => {
        await sql`set local session_replication_role = replica`;
        await sql`delete from company_key_wraps where company_id = ${id}`;
      }),
    );
    expect(code).toBe("KEY_UNAVAILABLE");
  });
});

describe("the audit log of the vault", () => {
  test("the audit log has one genuine event per verb, with the version, and none contains a value", async () => {
    const subdomain = await fixture.company("database");
    const caller: Caller = { ...product, requestId: "req-1", address: "192.0.2.7" };
    const acme = secrets.company(subdomain, caller);
    await acme.set("CUSTOM_KEY", "fake-value-on-record");
    await acme.get("CUSTOM_KEY");
    await secrets.flush();
    await acme.find("CUSTOM_NONE");
    await acme.list();
    await acme.remove("CUSTOM_KEY");
    const events = await eventsOf(subdomain);
    expect(events.map((e) => [e.action, e.outcome, e.secretKey, e.version, e.reason])).toEqual([
      // The version of the company row's state.
      ["company.create", "success", null, expect.any(Number), null],
      ["key.create", "success", null, 1, null],
      ["secret.write", "success", "CUSTOM_KEY", 1, null],
      ["secret.read", "success", "CUSTOM_KEY", 1, null],
      ["secret.read", "failed", "CUSTOM_NONE", null, "NOT_FOUND"],
      ["secret.list", "success", null, null, null],
      ["secret.remove", "success", "CUSTOM_KEY", 1, null],
    ]);
    expect(events[2]).toMatchObject({
      actorKind: "job",
      actorId: "test",
      requestId: "req-1",
      address: "192.0.2.7",
    });
    const text = JSON.stringify(events, (_, value: unknown) =>
      typeof value === "bigint" ? value.toString() : value,
    );
    expect(text).not.toContain("fake-value-on-record");

    const key = await createAuditKeys(
      fixture.database,
      createMasterKeys(fixture.database, infisical, "default"),
    )();
    expect(events.map((event) => isGenuine(key, event))).toEqual(events.map(() => true));
    for (const [field, value] of Object.entries({
      outcome: "denied",
      secretKey: "CUSTOM_B",
      version: 2,
      actorId: "x",
    })) {
      expect(isGenuine(key, { ...events[2], [field]: value } as (typeof events)[number]), field).toBe(false);
    }
    const otherKey = { keyVersion: key.keyVersion, macKey: createSecretKey(Buffer.alloc(32, 7)) };
    expect(isGenuine(otherKey, events[2] as (typeof events)[number])).toBe(false);
  });

  test("a write to Infisical is audited as attempted before it starts", async () => {
    const subdomain = await fixture.company("infisical");
    await secrets.company(subdomain, product).set("CUSTOM_KEY", "fake");
    expect((await eventsOf(subdomain)).map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      "company.create success",
      // A write to Infisical is identified by a MAC under the company's key, which is created for the first one.
      "key.create success",
      "secret.write attempted",
      "secret.write success",
    ]);
  });

  test("denials are audited, in the actor's own company if it tried to access another", async () => {
    const mine = await fixture.company("database");
    const theirs = await fixture.company("database");
    const expiresAt = new Date(Date.now() + 3_600_000);
    const key = { name: "k", companies: [mine], platform: false, expiresAt } as const;
    const { apiKey } = await secrets.apiKeys.create(operator, {
      ...key,
      verbs: ["use"],
      secretKeys: ["STRIPE_*"],
    });
    const caller = await secrets.authenticate({ credential: apiKey });
    expect(await codeOf(secrets.company(theirs, caller).get("STRIPE_SECRET_KEY"))).toBe("NOT_FOUND");
    expect(await codeOf(secrets.company(mine, caller).get("SENDGRID_API_KEY"))).toBe("NOT_FOUND");
    expect(
      await codeOf(secrets.company(mine, caller).set("STRIPE_SECRET_KEY", "sk_test_fake_company_0001")),
    ).toBe("FORBIDDEN");
    const refused = (await eventsOf(mine)).filter(({ outcome }) => outcome === "denied");
    expect(refused.map(({ action, secretKey, reason }) => [action, secretKey, reason])).toEqual([
      ["secret.read", "STRIPE_SECRET_KEY", "NOT_FOUND"],
      ["secret.read", "SENDGRID_API_KEY", "NOT_FOUND"],
      ["secret.write", "STRIPE_SECRET_KEY", "FORBIDDEN"],
    ]);
    expect(refused[0]?.subject).toBeNull();
    expect((await eventsOf(theirs)).filter(({ outcome }) => outcome === "denied")).toEqual([]);
  });

  test("the audit log escapes characters that could break a line or a terminal", async () => {
    const subdomain = await fixture.company("database");
    const hostile: Caller = { ...product, requestId: "a\r\nb\u001b[2J\u202e" };
    await codeOf(secrets.vault.list(await fixture.scope(subdomain, hostile), {}));
    expect((await eventsOf(subdomain)).at(-1)).toMatchObject({
      requestId: String.raw`a\u000d\u000ab\u001b[2J\u202e`,
    });
  });

  test("a value sent in place of a secret key is not audited", async () => {
    const subdomain = await fixture.company("database");
    const swapped = secrets.setTenantSecret(subdomain, "sk_live_fake_swapped_0001", "STRIPE_SECRET_KEY");
    expect(await codeOf(swapped)).toBe("UNKNOWN_SECRET_KEY");
    const scope = await fixture.scope(subdomain);
    for (const call of ["read", "remove"] as const) {
      await codeOf(secrets.vault[call](scope, { secretKey: "sk_live_fake_swapped_0001" }));
    }
    const events = await superuser`select audit_events::text as text from audit_events`;
    expect(events.map((row) => String(row["text"])).join("\n")).not.toContain("swapped");
  });

  test("a change whose answer was lost is audited as unknown", async () => {
    const subdomain = await fixture.company("infisical");
    const acme = secrets.company(subdomain, product);
    await acme.set("CUSTOM_KEY", "before");
    fixture.emulator.faults.add({ kind: "reset", afterApply: true }, { method: "PATCH" });
    fixture.emulator.faults.add(
      { kind: "answer", status: 503, body: "" },
      { method: "GET", path: /secrets\/raw/, times: 9 },
    );
    await expect(acme.set("CUSTOM_KEY", "after")).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("It is not known"),
    });
    fixture.emulator.faults.clear();
    expect((await eventsOf(subdomain)).at(-1)).toMatchObject({
      outcome: "unknown",
      reason: "STORE_UNAVAILABLE",
    });
  });

  test("without a writable audit log, people read nothing, nothing changes, and reads by services are buffered", async () => {
    const subdomain = await fixture.company("database");
    const acme = secrets.company(subdomain, product);
    const roles = new Map([[companyIdOf({ id: await idOf(subdomain) }), "member"]] as const);
    const person: Caller = { actor: { kind: "user", id: "test-person", roles } };
    await acme.set("CUSTOM_KEY", "before");
    await superuser`alter table audit_events rename to audit_events_away`;
    try {
      expect(await codeOf(secrets.company(subdomain, person).get("CUSTOM_KEY"))).toBe("AUDIT_UNAVAILABLE");
      expect(await codeOf(acme.set("CUSTOM_KEY", "after"))).toBe("AUDIT_UNAVAILABLE");
      expect(await codeOf(acme.remove("CUSTOM_KEY"))).toBe("AUDIT_UNAVAILABLE");
      expect(await codeOf(acme.list())).toBe("AUDIT_UNAVAILABLE");
      expect(await acme.get("CUSTOM_KEY")).toBe("before");
      expect(await codeOf(secrets.flush())).toBe("AUDIT_UNAVAILABLE");
    } finally {
      await superuser`alter table audit_events_away rename to audit_events`;
    }
    expect(await acme.get("CUSTOM_KEY")).toBe("before");
    expect((await acme.list()).secrets).toMatchObject([{ version: 1 }]);
    expect(await secrets.company(subdomain, person).get("CUSTOM_KEY")).toBe("before");
    await secrets.flush();
    const reads = (await eventsOf(subdomain)).filter(({ action }) => action === "secret.read");
    const counts = reads.map(({ actorKind, count }) => [actorKind, count]);
    expect(counts.filter(([kind]) => kind === "user")).toEqual([["user", 1]]);
    expect(counts.reduce((sum, [kind, count]) => sum + (kind === "job" ? Number(count) : 0), 0)).toBe(2);
  });

  test("the application role can neither change nor delete audit events", async () => {
    const statement = (text: string) =>
      fixture.database
        .outsideCompanies((sql) => sql.unsafe(text))
        .then(
          () => "done",
          (error: unknown) => (error instanceof Error ? error.message : "?"),
        );
    expect(await statement("update audit_events set outcome = 'success'")).toContain("42501");
    expect(await statement("delete from audit_events")).toContain("42501");
    expect(await statement("truncate audit_events")).toContain("42501");
  });
});

describe("invalid input", () => {
  test.each([
    ["an empty value", ""],
    ["65,537 bytes", "a".repeat(65_537)],
    ["65,537 bytes in 21,846 characters", `${"€".repeat(21_845)}é`],
    ["NUL", "a\0b"],
    ["a lone surrogate", "a\ud800b"],
    ["the mask", "••••••••"],
  ])("%s is refused with a rule, without the value, and with nothing written", async (_, value) => {
    const subdomain = await fixture.company("database");
    const write = secrets.vault.write(await fixture.scope(subdomain), { secretKey: "CUSTOM_KEY", value });
    await expect(write).rejects.toMatchObject({
      code: "INVALID_VALUE",
      message: expect.stringContaining("CUSTOM_KEY"),
    });
    expect((await secrets.company(subdomain, product).list()).secrets).toEqual([]);
    expect((await eventsOf(subdomain)).at(-2)).toMatchObject({ outcome: "failed", reason: "INVALID_VALUE" });
  });

  test.each([
    "STRIPE_SECRT_KEY",
    "__proto__",
    "constructor",
    "../x",
    "a/b",
    "A".repeat(101),
    "",
    "1ABC",
    "CUSTOM_",
  ])("%j is not a secret key, for reading or writing", async (secretKey) => {
    const subdomain = await fixture.company("database");
    const scope = await fixture.scope(subdomain);
    expect(await codeOf(secrets.vault.read(scope, { secretKey }))).toBe("UNKNOWN_SECRET_KEY");
    expect(await codeOf(secrets.vault.write(scope, { secretKey, value: "x" }))).toBe("UNKNOWN_SECRET_KEY");
  });

  test.each([
    { expectedVersion: -1 },
    { expectedVersion: 1.5 },
    { expectedVersion: 2 ** 53 },
    { requestId: "" },
    { requestId: "a\nb" },
    { requestId: "r".repeat(101) },
    { note: "n".repeat(501) },
    { note: "\ud800" },
    { note: "a\0b" },
  ])("%j is refused by its rule, and nothing is written", async (options) => {
    const acme = secrets.company(await fixture.company("database"), product);
    expect(await codeOf(acme.set("CUSTOM_KEY", "fake", options))).toBe("INVALID_INPUT");
    expect((await acme.list()).secrets).toEqual([]);
  });

  test("an unknown company and a foreign company get the same answer", async () => {
    const subdomain = await fixture.company("database");
    await superuser`update companies set status = 'deleted', deleted_at = now() where subdomain = ${subdomain}`;
    await fixture.remacRows();
    const messages = await Promise.all(
      ["nobody", subdomain, "../x", "__proto__", ""].map((name) =>
        secrets
          .company(name, product)
          .get("CUSTOM_KEY")
          .then(
            () => "",
            (error: unknown) => String(error),
          ),
      ),
    );
    expect(new Set(messages).size).toBe(1);
    expect(messages[0]).toContain("Not found");
  });

  test("a system caller cannot exceed its grant", async () => {
    const subdomain = await fixture.company("database");
    await secrets.company(subdomain, product).set("STRIPE_SECRET_KEY", "sk_test_fake_company_0001");
    const payments = secrets.company(
      subdomain,
      systemCaller("payments", { verbs: ["use"], secretKeys: ["STRIPE_SECRET_KEY"] }),
    );
    expect(await payments.get("STRIPE_SECRET_KEY")).toBe("sk_test_fake_company_0001");
    expect(await codeOf(payments.get("STRIPE_WEBHOOK_SECRET"))).toBe("NOT_FOUND");
    expect(await codeOf(payments.set("STRIPE_SECRET_KEY", "sk_test_fake_company_0002"))).toBe("FORBIDDEN");
    expect(await codeOf(payments.list())).toBe("FORBIDDEN");
    expect(await codeOf(secrets.company(subdomain, operator).get("STRIPE_SECRET_KEY"))).toBe("FORBIDDEN");
  });
});

test("the strategy's own helpers read and write by subdomain", async () => {
  const subdomain = await fixture.company("hybrid");
  expect(await secrets.getTenantSecret(subdomain, "STRIPE_SECRET_KEY")).toBeUndefined();
  expect(await secrets.setTenantSecret(subdomain, "STRIPE_SECRET_KEY", "sk_test_fake_company_0001")).toEqual({
    version: 1,
  });
  expect(await secrets.getTenantSecret(subdomain, "STRIPE_SECRET_KEY")).toBe("sk_test_fake_company_0001");
});

test("an Infisical outage leaves companies on the database working, and gives STORE_UNAVAILABLE to companies on Infisical", async () => {
  const [here, there] = [await fixture.company("database"), await fixture.company("infisical")];
  await secrets.company(here, product).set("CUSTOM_KEY", "fake");
  await fixture.emulator.stop();
  expect(await secrets.company(here, product).get("CUSTOM_KEY")).toBe("fake");
  const started = Date.now();
  await expect(secrets.company(there, product).get("CUSTOM_KEY")).rejects.toMatchObject({
    code: "STORE_UNAVAILABLE",
    retryAfterMs: expect.any(Number),
  });
  expect(Date.now() - started).toBeLessThan(8000);
});
