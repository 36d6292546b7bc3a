import { describe, expect, onTestFinished, test, vi } from "vitest";
import { isGenuine } from "@repo/audit-log";
import { type Caller, TenantSecretsError } from "@repo/catalog";
import { codeOf, createFixture, operator, product, silentUrl, type Fixture } from "../../testing/fixture.ts";
import { createAuditKeys } from "../audit-keys.ts";
import type { EmergencyRotationOptions } from "./emergency.ts";
import { createMasterKeys } from "../master/master-keys.ts";

const rotation = { backup: () => Promise.resolve("sha256:fake"), timeoutMs: 5000 };
const answer = (secrets: Fixture["secrets"], options: Partial<EmergencyRotationOptions> = {}) =>
  secrets.emergencyRotation(operator, { rotation, revokeCredentials: false, ...options });

/** A company per store, one with a secret that only Infisical has, and one without secrets. */
async function filled(): Promise<Fixture> {
  const fixture = await createFixture();
  for (const store of ["database", "hybrid", "infisical", "database"] as const) await fixture.company(store);
  const company = (keyVersion: number) => fixture.secrets.company(`company-${keyVersion}`, product);
  await company(1).set("STRIPE_SECRET_KEY", "sk_test_fake_codewiser_0001");
  await company(1).set("STRIPE_SECRET_KEY", "sk_test_fake_codewiser_0002");
  await company(2).set("CUSTOM_A", "in the database");
  await fixture.infisical.putSecret("/tenants/company-2", "CUSTOM_OUTSIDE", "outside");
  await company(3).set("CUSTOM_A", "in Infisical");
  return fixture;
}

async function readAll(fixture: Fixture): Promise<void> {
  const fresh = fixture.another();
  const company = (keyVersion: number) => fresh.company(`company-${keyVersion}`, product);
  expect(await company(1).get("STRIPE_SECRET_KEY")).toBe("sk_test_fake_codewiser_0002");
  expect(await company(2).get("CUSTOM_A")).toBe("in the database");
  expect(await company(2).get("CUSTOM_OUTSIDE")).toBe("outside");
  expect(await company(3).get("CUSTOM_A")).toBe("in Infisical");
}

async function stateOf({ superuser }: Fixture): Promise<unknown> {
  const [state] = await superuser`select
    (select array_agg(version || ' ' || status order by version) from master_keys) as "masterKeys",
    (select array_agg(distinct key_version || ' ' || status order by key_version || ' ' || status) from company_keys) as "companyKeys",
    (select array_agg(key_version || ' ' || status order by key_version) from audit_keys where purpose = 'mac') as "auditKeyStates",
    (select array_agg(distinct split_part(secret_value_encrypted, '.', 2)) from company_secrets) as under`;
  return { ...state };
}

const expected = [
  ["company-1", "STRIPE_SECRET_KEY", 2, "database"],
  ["company-2", "CUSTOM_A", 1, "database"],
  ["company-2", "CUSTOM_OUTSIDE", 0, "infisical"],
  ["company-3", "CUSTOM_A", 1, "infisical"],
];

describe("emergency rotation", () => {
  test("an emergency rotation puts everything under new keys, and lists the credentials of every store", async () => {
    const fixture = await filled();
    const serving = fixture.another();
    const member = await serving.serve(fixture.urls.listener, () => {});
    onTestFinished(() => member.stop());
    // It has the audit key cached.
    await serving.company("company-1", product).get("STRIPE_SECRET_KEY");
    const rotated = await fixture.secrets.keyRotation.rotate(operator, rotation);
    const result = await answer(fixture.secrets);
    expect(await stateOf(fixture)).toEqual({
      masterKeys: ["1 retired", "2 retired", "3 active"],
      companyKeys: ["1 destroyed", "2 active"],
      auditKeyStates: ["1 retired", "2 active"],
      under: ["2"],
    });
    await readAll(fixture);
    // Including the company on Infisical: writes to Infisical have a MAC under its key.
    expect(result).toMatchObject({ masterKeyVersion: 3, companies: 3, revoked: undefined, remainders: [] });
    expect(
      result.credentials.map(({ company, secretKey, version, location }) => [
        company,
        secretKey,
        version,
        location,
      ]),
    ).toEqual(expected);
    expect(result.credentials[0]).toMatchObject({
      lastFour: "0002",
      label: expect.stringContaining("Stripe"),
    });
    expect(JSON.stringify(result)).not.toMatch(/sk_test|in the database|outside"/);
    // A report with a MAC under the old audit key can still be verified.
    await fixture.secrets.masterKeys.verifyReport(operator, rotated);
    // The serving process writes audit events under the new key once it is notified.
    await expect
      .poll(
        async () => {
          await serving.company("company-1", product).get("STRIPE_SECRET_KEY");
          const [event] =
            await fixture.superuser`select mac_key_version from audit_events order by position desc limit 1`;
          return event?.["mac_key_version"];
        },
        { timeout: 60_000 },
      )
      .toBe(2);
  });

  test("after an emergency rotation, secrets of webhook endpoints come from another key, in a process that serves too", async () => {
    const fixture = await filled();
    const serving = fixture.another();
    const asked = { url: silentUrl, description: "", perSecond: 1 };
    const { secret, endpoint } = await serving.webhooks.create(operator, asked);
    const versions = () => fixture.superuser<{ current: number; previous: number | null }[]>`
      select secret_key_version as current, previous_key_version as previous from webhook_endpoints`;
    expect([...(await versions())]).toEqual([{ current: 1, previous: null }]);
    await answer(fixture.secrets);
    const roll = { endpoint: endpoint.id, overlapSeconds: 60, force: false };
    const rolled = await serving.webhooks.roll(operator, roll);
    expect([...(await versions())]).toEqual([{ current: 2, previous: 1 }]);
    expect(rolled.secret).not.toBe(secret);
    // The public key of before is not in use, and a process that starts now derives the same one.
    const [seen] = await fixture.another().webhooks.list(operator, undefined);
    expect(seen?.publicKey).toBe(rolled.endpoint.publicKey);
    expect(seen?.publicKey).not.toBe(endpoint.publicKey);
  });

  test("an emergency rotation leaves every audit event verifiable under the key that it was written with", async () => {
    const fixture = await filled();
    await answer(fixture.secrets);
    const keys = createAuditKeys(
      fixture.database,
      createMasterKeys(fixture.database, fixture.infisical, "default"),
    );
    const events = await fixture.database.acrossCompanies(async (statements) => {
      const { tables } = await import("@repo/db");
      return statements.select().from(tables.auditEvents);
    });
    const numbers = new Set<number>();
    for (const event of events) {
      numbers.add(event.macKeyVersion);
      expect(isGenuine(await keys(event.macKeyVersion), event), event.action).toBe(true);
    }
    expect(numbers).toEqual(new Set([1, 2]));
    expect((await keys()).keyVersion).toBe(2);
    expect(await codeOf(keys(3))).toBe("KEY_UNAVAILABLE");
  });

  test(
    "an emergency rotation continues wherever it was interrupted, and then ends",
    { timeout: 180_000 },
    async () => {
      const fixture = await filled();
      const steps: string[] = [];
      const counting = (done: string) => void steps.push(done);
      await answer(fixture.secrets, { onStep: counting });
      expect(steps).toHaveLength(8);
      // Any company is equally good to stop at.
      for (const [round, stop] of [0, 1, 2, 3, 5, 7].entries()) {
        let seen = 0;
        const interrupted = answer(fixture.another(), {
          onStep: () => {
            if (seen++ === stop) throw new Error("interrupted");
          },
        });
        expect(await codeOf(interrupted), steps[stop]).toBe("INTERNAL");
        const { masterKeyVersion, credentials } = await answer(fixture.another());
        expect(masterKeyVersion, steps[stop]).toBe(round + 3);
        expect(credentials).toHaveLength(4);
        expect(await stateOf(fixture)).toMatchObject({ under: [String(round + 3)] });
        const [rows] = await fixture.superuser`select
        (select array_agg(key_version) from audit_keys where purpose = 'row' and status = 'active') as "rowKeys",
        (select array_agg(key_version) from audit_key_wraps where purpose = 'row') as wraps,
        (select array_agg(distinct mac_key_version) from companies) as under`;
        expect({ ...rows }).toEqual({ rowKeys: [round + 3], wraps: [round + 3], under: [round + 3] });
      }
      await readAll(fixture);
    },
  );

  test("an emergency rotation finishes an earlier rotation and rotates again, as its key may be exposed too", async () => {
    const fixture = await filled();
    const stopped = fixture.secrets.keyRotation.rotate(operator, {
      ...rotation,
      backup: () => Promise.reject(new Error("stopped")),
    });
    expect(await codeOf(stopped)).toBe("INTERNAL");
    const { masterKeyVersion } = await answer(fixture.secrets);
    expect(masterKeyVersion).toBe(3);
    await readAll(fixture);
  });

  test("an emergency rotation refuses a master key that another party put in place, and names its location", async () => {
    const fixture = await filled();
    const planted = "ab".repeat(31) + "cd";
    await fixture.infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY_V2", planted);
    await expect(answer(fixture.secrets)).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringMatching(/^(?!.*abab).*MASTER_ENCRYPTION_KEY_V2/),
    });
    expect(await stateOf(fixture)).toMatchObject({ masterKeys: ["1 active"], companyKeys: ["1 active"] });
    await fixture.infisical.deleteSecret("/hono-api", "MASTER_ENCRYPTION_KEY_V2");
    expect(await answer(fixture.secrets)).toMatchObject({ masterKeyVersion: 2, remainders: [] });
    expect((await fixture.infisical.findSecret("/hono-api", "MASTER_ENCRYPTION_KEY_V2"))?.value).not.toBe(
      planted,
    );
    await readAll(fixture);
  });

  test("an emergency rotation can be restarted while an earlier one is unfinished", async () => {
    const fixture = await filled();
    const stopped = answer(fixture.secrets, {
      onStep: (done) => {
        if (done === "version 2 of the master key is in use") throw new Error("stopped");
      },
    });
    expect(await codeOf(stopped)).toBe("INTERNAL");
    expect(await answer(fixture.secrets, { restart: true })).toMatchObject({ masterKeyVersion: 3 });
    await readAll(fixture);
  });

  test("an emergency rotation revokes earlier API keys and operators' tokens on request", async () => {
    const fixture = await filled();
    const { secrets } = fixture;
    const inAnHour = new Date(Date.now() + 3_600_000);
    const { token } = await secrets.operators.create(operator, { name: "alice", expiresAt: inAnHour });
    const newKey = { name: "test", platform: false, verbs: ["use"], secretKeys: ["*"] } as const;
    const make = () =>
      secrets.apiKeys.create(operator, { ...newKey, companies: ["company-1"], expiresAt: inAnHour });
    const { apiKey } = await make();
    await answer(secrets);
    expect(await codeOf(secrets.authenticate({ credential: apiKey }))).toBe("no error");
    const { revoked } = await answer(secrets, { revokeCredentials: true });
    expect(revoked).toEqual({ apiKeys: 1, operators: 1 });
    for (const credential of [apiKey, token]) {
      expect(await codeOf(secrets.authenticate({ credential }))).toBe("UNAUTHENTICATED");
    }
    expect(await codeOf(secrets.authenticate({ credential: (await make()).apiKey }))).toBe("no error");
    const events =
      await fixture.superuser`select from audit_events where action in ('api-key.revoke', 'operator.revoke')`;
    expect(events).toHaveLength(2);
  });

  test("an emergency rotation leaves no API key that a stolen operator token creates meanwhile, including the caller's own token", async () => {
    const fixture = await filled();
    const { secrets } = fixture;
    const inAnHour = new Date(Date.now() + 3_600_000);
    const asOperator = async (name: string): Promise<Caller> => {
      const { token } = await secrets.operators.create(operator, { name, expiresAt: inAnHour });
      return secrets.authenticate({ credential: token });
    };
    const [alice, bob] = [await asOperator("alice"), await asOperator("bob")];
    // The holder of a copied token uses a process that has the authentication cached, at every step: each time one that has not
    // loaded the rotated key.
    let thief = fixture.another();
    const made: string[] = [];
    const refused: string[] = [];
    const make = async (as: Caller): Promise<void> => {
      const newKey = { name: "stolen", verbs: ["use"], secretKeys: ["*"], expiresAt: inAnHour } as const;
      const platformKey = { ...newKey, platform: true, companies: ["company-1", "company-2"] };
      await thief.apiKeys.create(as, platformKey).then(
        ({ apiKey }) => made.push(apiKey),
        (error: unknown) => refused.push(error instanceof TenantSecretsError ? error.code : String(error)),
      );
    };
    const steps: string[] = [];
    const result = await secrets.emergencyRotation(bob, {
      rotation,
      revokeCredentials: true,
      onStep: async (done) => {
        steps.push(done);
        thief = fixture.another();
        await Promise.all([...Array.from({ length: 5 }, () => make(alice)), make(bob)]);
      },
    });
    expect(steps[1]).toBe("1 operators' tokens besides yours and 5 API keys revoked");
    expect(new Set(refused)).toEqual(new Set(["UNAUTHENTICATED"]));
    // Before the first revocation both tokens work, afterwards only the caller's.
    expect(made).toHaveLength(5 + steps.length);
    expect(result.revoked).toEqual({ apiKeys: made.length, operators: 2 });
    thief = fixture.another();
    for (const credential of made)
      expect(await codeOf(thief.authenticate({ credential }))).toBe("UNAUTHENTICATED");
    await make(bob);
    expect(made).toHaveLength(5 + steps.length);
    const active = await fixture.superuser`select from api_keys where revoked_at is null`;
    expect(active).toHaveLength(0);
  });

  test("an emergency rotation revokes by the database's clock, whatever the process's clock says", async () => {
    const fixture = await filled();
    const { secrets } = fixture;
    onTestFinished(() => void vi.useRealTimers());
    const inADay = new Date(Date.now() + 86_400_000);
    const { apiKey } = await secrets.apiKeys.create(operator, {
      name: "before",
      platform: true,
      companies: ["company-1"],
      verbs: ["use"],
      secretKeys: ["*"],
      expiresAt: inADay,
    });
    const { token } = await secrets.operators.create(operator, { name: "before", expiresAt: inADay });
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - 600_000 });
    const { revoked } = await answer(secrets, { revokeCredentials: true });
    expect(revoked).toEqual({ apiKeys: 1, operators: 1 });
    for (const credential of [apiKey, token])
      expect(await codeOf(secrets.authenticate({ credential }))).toBe("UNAUTHENTICATED");
  });

  test("a continued emergency rotation spares what a new operator has created since, and revokes what an old one created", async () => {
    const fixture = await filled();
    const { secrets } = fixture;
    const inAnHour = new Date(Date.now() + 3_600_000);
    const asOperator = async (name: string): Promise<Caller> => {
      const { token } = await secrets.operators.create(operator, { name, expiresAt: inAnHour });
      return secrets.authenticate({ credential: token });
    };
    const make = async (as: Caller): Promise<string> => {
      const newKey = { name: "x", verbs: ["use"], secretKeys: ["*"], expiresAt: inAnHour } as const;
      const key = { ...newKey, platform: false, companies: ["company-1"] };
      return (await secrets.apiKeys.create(as, key)).apiKey;
    };
    const before = await asOperator("before");
    let old = "";
    const interrupted = secrets.emergencyRotation(before, {
      rotation,
      revokeCredentials: true,
      onStep: async (done) => {
        if (done !== "the audit log has a new key") return;
        old = await make(before);
        throw new Error("interrupted");
      },
    });
    expect(await codeOf(interrupted)).toBe("INTERNAL");
    const since = await asOperator("since");
    const kept = await make(since);
    const result = await fixture.another().emergencyRotation(since, { rotation, revokeCredentials: true });
    expect(result.revoked).toEqual({ apiKeys: 1, operators: 1 });
    const fresh = fixture.another();
    expect(await codeOf(fresh.authenticate({ credential: old }))).toBe("UNAUTHENTICATED");
    expect(await codeOf(fresh.authenticate({ credential: kept }))).toBe("no error");
    expect(await codeOf(make(since))).toBe("no error");
  });

  test("an emergency rotation does the rest if a value does not decrypt, and reports it", async () => {
    const fixture = await filled();
    await fixture.secrets.company("company-1", product).set("CUSTOM_A", "whole");
    await fixture.superuser`update company_secrets set secret_value_encrypted = 'broken' where secret_key = 'STRIPE_SECRET_KEY'`;
    const { remainders, credentials, companies } = await answer(fixture.secrets);
    expect(remainders).toMatchObject([
      {
        company: "company-1",
        undone: "keys",
        code: "INTEGRITY_FAILURE",
        message: expect.stringContaining("STRIPE_SECRET_KEY version 2"),
      },
    ]);
    expect(companies).toBe(2);
    expect(credentials).toHaveLength(5);
    expect(await fixture.another().company("company-2", product).get("CUSTOM_A")).toBe("in the database");
    // The emergency rotation is finished: repeating it would not repair the value.
    expect(await answer(fixture.secrets)).toMatchObject({ masterKeyVersion: 3 });
  });

  test("an emergency rotation does the rest if Infisical cannot list a company's secrets, and lists them the next time", async () => {
    const fixture = await filled();
    const { faults } = fixture.emulator;
    const first = await answer(fixture.secrets, {
      onStep: (done) => {
        if (done.startsWith("4 of 4")) faults.add({ kind: "answer", status: 500 }, { times: 100 });
      },
    });
    faults.clear();
    expect(first.remainders.map(({ company, undone, code }) => [company, undone, code])).toEqual([
      ["company-2", "list", "STORE_UNAVAILABLE"],
      ["company-3", "list", "STORE_UNAVAILABLE"],
    ]);
    expect(first.credentials).toHaveLength(1);
    const second = await answer(fixture.secrets);
    expect(second).toMatchObject({ masterKeyVersion: first.masterKeyVersion, remainders: [] });
    expect(second.credentials).toHaveLength(4);
  });

  test("an emergency rotation is denied to everyone but operators", async () => {
    const fixture = await createFixture();
    expect(
      await codeOf(fixture.secrets.emergencyRotation(product, { rotation, revokeCredentials: true })),
    ).toBe("FORBIDDEN");
  });
});
