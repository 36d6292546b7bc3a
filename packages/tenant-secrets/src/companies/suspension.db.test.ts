import { createCipheriv, randomBytes } from "node:crypto";
import { TRPCError } from "@trpc/server";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Caller, vaultOperations } from "@repo/catalog";
import type { ServingProcess } from "../keys/rotation/process-registry.ts";
import { inProcessFetch } from "../router/handler.ts";
import { appRouter, createCaller } from "../router/router.ts";
import { createCallerContext, publicError } from "../router/trpc.ts";
import { codeOf, createFixture, operator, product, type Person } from "../testing/fixture.ts";

const fixture = await createFixture();
const { superuser } = fixture;
/** What was suspended elsewhere has to be heard of here, where everything is cached. */
const served = fixture.another({
  checks: { stripe: async () => "accepted", sendgrid: async () => "accepted" },
});
let serving: ServingProcess;
beforeAll(async () => {
  serving = await served.serve(fixture.urls.listener, () => {});
});
afterAll(() => serving.stop());

const value = "sk_test_fake_suspended_0001";
let company = "";
let owner: Person;
let apiKey = "";

beforeEach(async () => {
  company = await fixture.company("database");
  owner = await fixture.person(company, "owner");
  const own = served.company(company, product);
  await own.set("STRIPE_SECRET_KEY", value);
  await own.set("CUSTOM_GONE", "fake_gone_0001");
  await own.remove("CUSTOM_GONE");
  ({ apiKey } = await served.apiKeys.create(operator, {
    name: "test",
    companies: [company],
    platform: false,
    verbs: ["describe", "use", "write", "delete"],
    secretKeys: ["*"],
    expiresAt: new Date(Date.now() + 3_600_000),
  }));
  // Cached in the serving process.
  await own.get("STRIPE_SECRET_KEY");
  await served.company(company, await served.authenticate({ credential: apiKey })).get("STRIPE_SECRET_KEY");
});

/** Suspends in another process, and waits until the serving one has heard. */
async function suspend(): Promise<void> {
  expect((await fixture.secrets.suspension.suspend(operator, company)).status).toBe("suspended");
  await expect
    .poll(() => codeOf(served.company(company, product).get("STRIPE_SECRET_KEY")), {
      timeout: 1000,
      interval: 5,
    })
    .toBe("COMPANY_SUSPENDED");
}

async function call(path: string, caller: Caller, input: object): Promise<string> {
  const procedures = createCaller(createCallerContext(served, caller));
  const procedure: unknown = path
    .split(".")
    .reduce<unknown>((node, part) => Reflect.get(Object(node), part), procedures);
  if (typeof procedure !== "function") throw new Error(`${path} is not callable`);
  try {
    await procedure(input);
    return "answered";
  } catch (error) {
    if (!(error instanceof TRPCError)) throw error;
    return publicError(error).code;
  }
}

const secretKey = "STRIPE_SECRET_KEY";
/** The fields beside the company of an operation on secrets. */
const inputs: Readonly<Record<keyof typeof vaultOperations, object>> = {
  list: {},
  removed: {},
  read: { secretKey },
  readMany: { secretKeys: [secretKey] },
  readActive: { secretKey },
  reportOutcome: { secretKey, version: 1, result: "accepted" },
  reveal: { secretKey, purpose: "incident" },
  write: { secretKey, value },
  generate: { secretKey: "WEBHOOK_SIGNING_SECRET" },
  writeMany: { writes: [{ secretKey, value }] },
  stage: { secretKey, value },
  remove: { secretKey },
  restore: { secretKey: "CUSTOM_GONE" },
  capabilities: {},
  history: { secretKey },
  promote: { secretKey },
  discard: { secretKey },
  rollback: { secretKey, toVersion: 1 },
  setExpiry: { secretKey, expiresAt: null },
  purge: { secretKey: "CUSTOM_GONE" },
  check: { secretKey },
  planImport: { entries: [{ secretKey: "CUSTOM_A", text: "fake_a_0001", line: 1 }] },
  import: {
    entries: [{ secretKey: "CUSTOM_A", text: "fake_a_0001", line: 1 }],
    expected: [{ secretKey: "CUSTOM_A", version: 0 }],
  },
  export: { format: "env", purpose: "hand-over" },
};

/** All that the database has of the company's secrets. */
async function stored(): Promise<unknown> {
  const [row] = await superuser`select
    (select json_agg(h order by secret_key) from company_secrets h where company_id = c.id) as heads,
    (select json_agg(v order by secret_key, version) from company_secret_versions v where company_id = c.id) as versions,
    (select json_agg(m) from memberships m where company_id = c.id) as members,
    (select json_agg(json_build_object('id', k.id, 'revoked', k.revoked_at)) from api_keys k where company_id = c.id) as keys
    from companies c where subdomain = ${company}`;
  return row;
}

describe("while a company is suspended", () => {
  test("every operation on its secrets is denied to its owner, its API key, the product and operators, and nothing changes", async () => {
    const service = await served.authenticate({ credential: apiKey });
    await suspend();
    const before = await stored();
    const wrong: string[] = [];
    for (const [name, input] of Object.entries(inputs)) {
      for (const caller of [owner, service, product, operator]) {
        const answer = await call(`secrets.${name}`, caller, { ...input, company });
        if (answer !== "COMPANY_SUSPENDED") wrong.push(`${caller.actor.kind} ${name}: ${answer}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(await stored()).toEqual(before);
  });

  test("handles in process, helpers and webhooks are denied, from the cache too", async () => {
    const own = served.company(company, product);
    const webhook = { headers: new Headers(), body: new TextEncoder().encode("{}") };
    await own.set("STRIPE_WEBHOOK_SECRET", "whsec_fake_suspended_0001");
    await own.verifyWebhook("STRIPE_WEBHOOK_SECRET", webhook).catch(() => {});
    await suspend();
    const doors = [
      own.get("STRIPE_SECRET_KEY"),
      own.find("STRIPE_SECRET_KEY"),
      own.getMany(["STRIPE_SECRET_KEY"]),
      own.use("STRIPE_SECRET_KEY", () => {}),
      own.useBytes("STRIPE_SECRET_KEY", () => {}),
      own.set("STRIPE_SECRET_KEY", value),
      own.setMany({ STRIPE_SECRET_KEY: value }),
      own.list(),
      own.verifyWebhook("STRIPE_WEBHOOK_SECRET", webhook),
      served.getTenantSecret(company, "STRIPE_SECRET_KEY"),
      served.setTenantSecret(company, "STRIPE_SECRET_KEY", value),
    ];
    expect(new Set(await Promise.all(doors.map(codeOf)))).toEqual(new Set(["COMPANY_SUSPENDED"]));
  });

  test("a company that was entered before writes nothing any more", async () => {
    const scope = await served.companies.resolve({ caller: product, action: "secret.write" }, company);
    await fixture.secrets.suspension.suspend(operator, company);
    const write = served.vault.write(scope, { secretKey: "CUSTOM_LATE", value: "fake_late_0001" });
    expect(await codeOf(write)).toBe("COMPANY_SUSPENDED");
    const batch = [{ secretKey: "CUSTOM_LATE", value: "fake_late_0001" }];
    expect(await codeOf(served.vault.writeMany(scope, { writes: batch }))).toBe("COMPANY_SUSPENDED");
    expect(await codeOf(served.vault.remove(scope, { secretKey }))).toBe("COMPANY_SUSPENDED");
    expect(await codeOf(served.vault.check(scope, { secretKey }))).toBe("COMPANY_SUSPENDED");
  });

  test.each(["hybrid", "infisical"] as const)("the %s store is shut as well", async (store) => {
    company = await fixture.company(store);
    const own = served.company(company, product);
    await own.set("STRIPE_SECRET_KEY", value);
    await own.get("STRIPE_SECRET_KEY");
    const scope = await served.companies.resolve({ caller: product, action: "secret.write" }, company);
    await suspend();
    expect(await codeOf(own.set("STRIPE_SECRET_KEY", value))).toBe("COMPANY_SUSPENDED");
    expect(await codeOf(served.vault.write(scope, { secretKey, value }))).toBe("COMPANY_SUSPENDED");
    expect((await fixture.infisical.listSecrets(`/tenants/${company}`)).length).toBe(
      store === "infisical" ? 1 : 0,
    );
  });

  test("its API key is told so over HTTP, and is not locked out for going on", async () => {
    await suspend();
    const send = inProcessFetch(served);
    const ask = () =>
      send("http://in-process/trpc/secrets.read", {
        method: "POST",
        headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
        body: JSON.stringify({ json: { company, secretKey } }),
      });
    const first = await ask();
    expect(first.status).toBe(403);
    const body = await first.text();
    expect(body).toContain('"reason":"COMPANY_SUSPENDED"');
    expect(body).toContain("This company is suspended");
    for (let i = 0; i < 120; i++) await ask();
    await fixture.secrets.suspension.resume(operator, company);
    await expect.poll(async () => (await ask()).status, { timeout: 2000 }).toBe(200);
  });

  test("a platform key enters its other companies, and strangers are not told that it is suspended", async () => {
    const other = await fixture.company("database");
    await served.company(other, product).set("CUSTOM_A", "fake_a_0001");
    const { apiKey: credential } = await served.apiKeys.create(operator, {
      name: "platform",
      companies: [company, other],
      platform: true,
      verbs: ["use"],
      secretKeys: ["*"],
      expiresAt: new Date(Date.now() + 3_600_000),
    });
    const platform = await served.authenticate({ credential });
    const stranger = await fixture.person(other, "owner");
    await suspend();
    expect(await served.company(other, platform).get("CUSTOM_A")).toBe("fake_a_0001");
    expect(await codeOf(served.company(company, platform).get(secretKey))).toBe("COMPANY_SUSPENDED");
    expect(await codeOf(served.company(company, stranger).get(secretKey))).toBe("NOT_FOUND");
  });

  test("its people reach neither people, API keys, stamp nor audit log, and operators reach all of them", async () => {
    const made = {
      name: "late",
      companies: [company],
      platform: false,
      verbs: ["use"],
      secretKeys: ["*"],
      expiresAt: new Date(Date.now() + 3_600_000),
    };
    const paths: readonly (readonly [string, object])[] = [
      ["companies.stamp", { company }],
      ["companies.members.list", { company }],
      ["companies.members.add", { company, email: `${company}@example.com`, name: "Late", role: "member" }],
      ["companies.apiKeys.list", { company }],
      ["companies.apiKeys.create", made],
      ["audit.list", { company }],
      ["audit.export", { company, from: new Date(0), to: new Date() }],
    ];
    await suspend();
    for (const [path, input] of paths) {
      expect(`${path} ${await call(path, owner, input)}`).toBe(`${path} COMPANY_SUSPENDED`);
      expect(`${path} ${await call(path, operator, input)}`).toBe(`${path} answered`);
    }
  });

  test("a search for a value skips it, and says so", async () => {
    expect((await served.searchValues(operator, value, undefined)).matches).toContainEqual(
      expect.objectContaining({ company }),
    );
    await suspend();
    expect(await codeOf(served.searchValues(owner, value, company))).toBe("COMPANY_SUSPENDED");
    expect(await codeOf(served.searchValues(operator, value, company))).toBe("COMPANY_SUSPENDED");
    const { matches, notSearched } = await served.searchValues(operator, value, undefined);
    expect(matches.filter((match) => match.company === company)).toEqual([]);
    expect(notSearched.suspended).toBeGreaterThan(0);
  });

  test("no job checks its credentials, and none destroys what is due", async () => {
    await superuser`update company_secrets h set recover_until = now() - interval '1 day'
      from companies c where c.id = h.company_id and c.subdomain = ${company} and h.deleted_at is not null`;
    await fixture.remacHeads();
    await suspend();
    await superuser`update company_secret_versions set checked_at = null`;
    await served.vault.enqueueDue();
    const jobs =
      await superuser`select key from graphile_worker._private_jobs where key like ${`${company}/%`}`;
    expect(jobs).toEqual([]);
    await served.vault.checkDue(company, secretKey, AbortSignal.timeout(5000));
    const before = await stored();
    await served.maintenance.purgeRemovedSecrets(AbortSignal.timeout(5000));
    await served.maintenance.destroyOldVersions(AbortSignal.timeout(5000));
    expect(await stored()).toEqual(before);
    await fixture.secrets.suspension.resume(operator, company);
    expect(await served.maintenance.purgeRemovedSecrets(AbortSignal.timeout(5000))).toBeGreaterThan(0);
  });

  test("an import of legacy rows leaves its rows out, and says why", async () => {
    await suspend();
    const keyName = "MASTER_ENCRYPTION_KEY";
    const key = Buffer.from((await fixture.infisical.findSecret("/hono-api", keyName))?.value ?? "", "hex");
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", key, iv);
    const parts = [
      iv,
      Buffer.concat([cipher.update("fake_legacy_0001"), cipher.final()]),
      cipher.getAuthTag(),
    ];
    const encrypted = parts.map((part) => part.toString("hex")).join(":");
    const reasons: unknown[] = [];
    const source = (async function* () {
      yield await Promise.resolve([{ company, secretKey: "CUSTOM_LEGACY", encrypted }]);
    })();
    await served.importLegacy(operator, source, {
      keyName,
      customUnknown: false,
      dryRun: false,
      onOutcome: ({ reason }) => void reasons.push(reason),
    });
    expect(reasons).toEqual(["COMPANY_SUSPENDED"]);
  });
});

test("a suspension and a resumption are audited with the row's revision, and leave everything as it was", async () => {
  const before = await stored();
  await suspend();
  await fixture.secrets.suspension.suspend(operator, company);
  await fixture.secrets.suspension.resume(operator, company);
  await expect
    .poll(() => codeOf(served.company(company, product).get(secretKey)), { timeout: 1000 })
    .toBe("no error");
  expect(await served.company(company, product).get(secretKey)).toBe(value);
  expect(await stored()).toEqual(before);
  const { events } = await fixture.secrets.audit.list(operator, { company });
  const changes = events.filter(({ action }) => /^company\.(suspend|resume)$/.test(action));
  expect(changes.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
    "company.resume success",
    "company.suspend success",
    "company.suspend success",
  ]);
  const [row] = await superuser`select revision from companies where subdomain = ${company}`;
  expect(changes[0]?.version).toBe(row?.["revision"]);
  expect(events.some(({ reason, outcome }) => reason === "COMPANY_SUSPENDED" && outcome === "denied")).toBe(
    true,
  );
});

test("every operation on secrets is among those that are tried", () => {
  const names = Object.keys(appRouter._def.procedures).filter((path) => path.startsWith("secrets."));
  expect(
    Object.keys(inputs)
      .map((name) => `secrets.${name}`)
      .concat("secrets.search")
      .toSorted(),
  ).toEqual(names.toSorted());
});
