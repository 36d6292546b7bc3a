import { expect, test } from "vitest";
import type { Caller } from "@repo/catalog";
import { providerChecks } from "../providers/provider-checks.ts";
import { newExport } from "../testing/exports.ts";
import { createFixture, operator, product, silentUrl } from "../testing/fixture.ts";
import { crossTenantContract, type CrossTenantOptions } from "../testing/kit/cross-tenant/contract.ts";
import { appRouter } from "./router.ts";
import { createCallerContext } from "./trpc.ts";

// The kit that other products test their routers with, on this one. permissions.db.test.ts walks more callers and fields.

const fixture = await createFixture(
  { ...providerChecks(), stripe: async () => "accepted" },
  {
    failedCredentialsPerMinute: 10_000,
    refusalsPerMinute: 10_000,
    sensitiveCallsPerMinute: 10_000,
  },
);
const ownKey = fixture.kms.addKey();
const { secrets, superuser } = fixture;

interface Tenant {
  readonly company: string;
  readonly owner: Caller;
  readonly service: Caller;
  readonly userId: string;
  readonly apiKeyId: string;
  readonly endpoint: string;
  readonly exportId: string;
  /** Undefined where nothing is there: then it makes up ids. */
  readonly email: string | undefined;
}
const forever = new Date(Date.now() + 3_600_000);
const madeUp = "0198c0de-0000-7000-8000-000000000001";
const newKey = { name: "k", platform: false, secretKeys: ["*"], expiresAt: forever } as const;

async function tenant(): Promise<Tenant> {
  const company = await fixture.company("database");
  const owner = await fixture.person(company, "owner");
  const all = ["describe", "use", "write", "delete"] as const;
  const key = await secrets.apiKeys.create(operator, { ...newKey, companies: [company], verbs: all });
  await secrets.company(company, product).set("CUSTOM_A", "fake_a_0001");
  await secrets.company(company, product).set("STRIPE_SECRET_KEY", "sk_test_fake_cross_0001");
  await secrets.rotation.set(operator, {
    company,
    secretKey: "CUSTOM_A",
    driver: "generated",
    overlapSeconds: 0,
  });
  const asked = { company, url: silentUrl, description: "", perSecond: 1 };
  const { endpoint } = await secrets.webhooks.create(owner, asked);
  const member = await fixture.person(company, "auditor");
  const [listed] = (await secrets.members.list(operator, company)).filter(
    ({ userId: id }) => id === member.userId,
  );
  return {
    company,
    owner,
    service: await secrets.authenticate({ credential: key.apiKey }),
    userId: member.userId,
    apiKeyId: key.description.id,
    endpoint: endpoint.id,
    exportId: await newExport(fixture, company),
    email: listed?.email,
  };
}
const [ours, theirs] = [await tenant(), await tenant()];
const nobody: Tenant = {
  ...ours,
  company: "nobody-here",
  userId: madeUp,
  apiKeyId: madeUp,
  endpoint: "0198c0de-0000-4000-8000-000000000004",
  exportId: "0198c0de-0000-4000-8000-000000000006",
  email: undefined,
};

/** Makes what a procedure is called for, where the company is there. */
async function made<A>(of: Tenant, make: (company: string) => Promise<A>, otherwise: A): Promise<A> {
  return of.email === undefined ? otherwise : make(of.company);
}
const ofProduct = (company: string) => secrets.company(company, product);
const staged = (of: Tenant) =>
  made(
    of,
    async (company) => void (await ofProduct(company).stage("CUSTOM_A", "fake_s", { replace: true })),
    undefined,
  );
const invitation = (of: Tenant) =>
  made(
    of,
    async (company) => {
      const email = `${crypto.randomUUID()}@example.com`;
      return (await secrets.invitations.create(operator, company, { email, role: "member" })).id;
    },
    madeUp,
  );
const apiKeyOf = (of: Tenant) =>
  made(
    of,
    async (company) => {
      const asked = { ...newKey, companies: [company], verbs: ["use"] as const };
      return (await secrets.apiKeys.create(operator, asked)).description.id;
    },
    madeUp,
  );
const memberOf = (of: Tenant) =>
  made(of, async (company) => (await fixture.person(company, "auditor")).userId, madeUp);

const endpointOf = (of: Tenant) =>
  made(
    of,
    async (named) => {
      const asked = { company: named, url: silentUrl, description: "", perSecond: 1 };
      return (await secrets.webhooks.create(of.owner, asked)).endpoint.id;
    },
    nobody.endpoint,
  );

/** Everything that the database stores of a company. */
async function stored({ company }: Tenant): Promise<unknown> {
  await secrets.flush();
  const state: Record<string, string> = {};
  const [row] = await superuser`select id, c::text as row from companies c where subdomain = ${company}`;
  const tables = await superuser`select table_name as name from information_schema.columns
    where table_schema = 'public' and column_name = 'company_id' order by 1`;
  for (const { name } of tables) {
    const [found] =
      await superuser`select count(*) || ' ' || coalesce(md5(string_agg(t::text, '' order by t::text)), '') as state
      from ${superuser(String(name))} t where company_id = ${row?.["id"]}`;
    state[String(name)] = String(found?.["state"]);
  }
  return { ...state, row: String(row?.["row"]) };
}

const shared = {
  router: appRouter,
  tenants: [ours, theirs],
  absent: nobody,
  snapshot: stored,
  textsOf: ({ email }) => (email === undefined ? [] : [email]),
} satisfies Partial<CrossTenantOptions<Tenant>>;

const forOperators = "Operators may enter every company, and this is theirs.";
const needsRotation = "It needs a rotation that waits for a person: permissions.db.test.ts has one.";
const company = ({ company: named }: Tenant) => ({ company: named });
const secretOf = (secretKey: string) => (of: Tenant) => ({ ...company(of), secretKey });

const testAs = (caller: string) => (title: string, check: () => Promise<void>) =>
  test(`as ${caller}: ${title}`, async () => {
    expect(await check()).toBeUndefined();
  });

await crossTenantContract(testAs("an owner"), {
  ...shared,
  contextFor: ({ owner }) => ({ ...createCallerContext(secrets, owner), isRemote: true }),
  inputs: {
    "secrets.list": company,
    "secrets.removed": company,
    "secrets.capabilities": company,
    "secrets.history": secretOf("CUSTOM_A"),
    "secrets.reveal": (of) => ({ ...secretOf("CUSTOM_A")(of), purpose: "incident" }),
    "secrets.search": (of) => ({ ...company(of), value: "fake_a_0001" }),
    "secrets.write": (of) => ({ ...secretOf("CUSTOM_W")(of), value: "fake_w_0001" }),
    "secrets.generate": secretOf("WEBHOOK_SIGNING_SECRET"),
    "secrets.writeMany": (of) => ({
      ...company(of),
      writes: [{ secretKey: "CUSTOM_M", value: "fake_m_0001" }],
    }),
    "secrets.remove": async (of) => {
      await made(of, async (named) => void (await ofProduct(named).set("CUSTOM_R", "fake_r")), undefined);
      return secretOf("CUSTOM_R")(of);
    },
    "secrets.restore": async (of) => {
      await made(
        of,
        async (named) => {
          await ofProduct(named).set("CUSTOM_R", "fake_r");
          await ofProduct(named).remove("CUSTOM_R");
        },
        undefined,
      );
      return secretOf("CUSTOM_R")(of);
    },
    "secrets.purge": (of) => ({ ...secretOf("CUSTOM_M")(of), force: true }),
    "secrets.planImport": (of) => ({
      ...company(of),
      entries: [{ secretKey: "CUSTOM_A", text: "fake_i_0001", line: 1 }],
    }),
    "secrets.import": (of) => ({
      ...company(of),
      entries: [{ secretKey: "CUSTOM_I", text: "fake_i_0001", line: 1 }],
      expected: [{ secretKey: "CUSTOM_I", version: 0 }],
    }),
    "secrets.export": (of) => ({ ...company(of), format: "env", purpose: "hand-over" }),
    "exports.list": company,
    "exports.receipt": (of) => ({ ...company(of), export: of.exportId }),
    "secrets.check": secretOf("STRIPE_SECRET_KEY"),
    "secrets.stage": (of) => ({ ...secretOf("CUSTOM_A")(of), value: "fake_s_0001", replace: true }),
    "secrets.promote": async (of) => {
      await staged(of);
      return secretOf("CUSTOM_A")(of);
    },
    "secrets.discard": async (of) => {
      await staged(of);
      return secretOf("CUSTOM_A")(of);
    },
    "secrets.rollback": (of) => ({ ...secretOf("CUSTOM_A")(of), toVersion: 1 }),
    "secrets.setExpiry": (of) => ({ ...secretOf("CUSTOM_A")(of), expiresAt: forever }),
    "companies.stamp": company,
    "companies.settings": company,
    "companies.externalKey": company,
    "companies.setExternalKey": (of) => ({ ...company(of), key: ownKey.arn }),
    "companies.removeExternalKey": company,
    "companies.setSecondFactor": (of) => ({ ...company(of), required: false }),
    "companies.apiKeys.list": company,
    "companies.apiKeys.create": ({ company: named }) => ({ ...newKey, companies: [named], verbs: ["use"] }),
    "companies.apiKeys.rotate": async (of) => ({ ...company(of), id: await apiKeyOf(of), graceSeconds: 60 }),
    "companies.apiKeys.revoke": async (of) => ({ ...company(of), id: await apiKeyOf(of) }),
    "companies.members.list": company,
    "companies.members.add": (of) => ({
      ...company(of),
      email: "added@example.com",
      name: "Added",
      role: "auditor",
    }),
    "companies.members.change": (of) => ({ ...company(of), userId: of.userId, role: "member" }),
    "companies.members.remove": async (of) => ({ ...company(of), userId: await memberOf(of) }),
    "invitations.list": company,
    "invitations.create": (of) => ({ ...company(of), email: "invited@example.com", role: "auditor" }),
    "invitations.resend": async (of) => ({ ...company(of), invitation: await invitation(of) }),
    "invitations.revoke": async (of) => ({ ...company(of), invitation: await invitation(of) }),
    "runs.list": (of) => ({ ...company(of), limit: 10 }),
    "rotation.policies": company,
    "rotation.setPolicy": (of) => ({ ...secretOf("CUSTOM_W")(of), driver: "generated" }),
    "rotation.pause": secretOf("CUSTOM_A"),
    "rotation.resume": secretOf("CUSTOM_A"),
    "rotation.runs": company,
    "webhooks.list": company,
    "webhooks.eventTypes": company,
    "webhooks.create": (of) => ({ ...company(of), url: silentUrl }),
    "webhooks.update": (of) => ({ ...company(of), endpoint: of.endpoint, description: "Another" }),
    "webhooks.roll": (of) => ({ ...company(of), endpoint: of.endpoint, force: true }),
    "webhooks.pause": (of) => ({ ...company(of), endpoint: of.endpoint }),
    "webhooks.resume": (of) => ({ ...company(of), endpoint: of.endpoint }),
    "webhooks.deliveries": (of) => ({ ...company(of), endpoint: of.endpoint }),
    "webhooks.remove": async (of) => ({ ...company(of), endpoint: await endpointOf(of) }),
    "audit.list": (of) => ({ ...company(of), limit: 50 }),
    "audit.export": (of) => ({ ...company(of), from: new Date(0), to: forever }),
    "audit.summary": (of) => ({ ...company(of), from: new Date(0), to: new Date(1), by: "day" }),
    "audit.proof": company,
  },
  except: {
    "catalog.*": "It is about no company.",
    "me.*": "It is about the person who asks, and takes no id of a company.",
    "invitations.look": "It takes the token of an invitation, and no id.",
    "invitations.accept": "It takes the token of an invitation, and no id.",
    "secrets.read": "Programs read: see below.",
    "secrets.readMany": "Programs read: see below.",
    "secrets.readActive": "Programs read: see below.",
    "secrets.reportOutcome": "Programs report: see below.",
    "webhooks.test": "It is limited to one in a while: permissions.db.test.ts waits for none.",
    "webhooks.replay": "It needs a delivery that failed: permissions.db.test.ts has one.",
    "rotation.*": needsRotation,
    "companies.members.endSessions":
      "It needs a member who has signed in: permissions.db.test.ts calls it with foreign ones.",
    "companies.*": forOperators,
    "runs.*": forOperators,
    "audit.verify": forOperators,
    "audit.publicKeys": forOperators,
    "operators.*": forOperators,
    "regions.*": forOperators,
    "approvals.*": forOperators,
    "users.*": forOperators,
    "keys.*": forOperators,
    "system.*": forOperators,
    "migrations.*": forOperators,
  },
});

const others = [...new Set(Object.keys(appRouter._def.procedures).map((path) => path.split(".")[0]))];
await crossTenantContract(testAs("a service"), {
  ...shared,
  contextFor: ({ service }) => ({ ...createCallerContext(secrets, service), isRemote: true }),
  inputs: {
    "secrets.read": secretOf("STRIPE_SECRET_KEY"),
    "secrets.readMany": (of) => ({ ...company(of), secretKeys: ["STRIPE_SECRET_KEY"] }),
    "secrets.readActive": secretOf("STRIPE_SECRET_KEY"),
    "secrets.reportOutcome": (of) => ({
      ...secretOf("STRIPE_SECRET_KEY")(of),
      version: 1,
      result: "accepted",
    }),
    "secrets.list": company,
    "secrets.write": (of) => ({ ...secretOf("CUSTOM_W")(of), value: "fake_w_0002" }),
  },
  except: Object.fromEntries(others.map((name) => [`${name}.*`, "An owner calls it above."])),
});
