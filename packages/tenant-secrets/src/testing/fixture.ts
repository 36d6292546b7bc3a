import { randomBytes, randomUUID } from "node:crypto";
import { connectDatabase, type CompanyRow, type Database } from "@repo/db";
import { createTestDatabase, whenDone, type TestDatabase } from "@repo/db/testing";
import { createAwsKms } from "@repo/external-keys";
import { type LocalKms, startLocalKms } from "@repo/external-keys/emulator";
import { createInfisicalClient, type InfisicalClient } from "@repo/infisical";
import { type InfisicalEmulatorOptions, startInfisicalEmulator } from "@repo/infisical/emulator";
import postgres from "postgres";
import { rowTables } from "@repo/audit-log";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { type Caller, systemCaller, type Role, type SecretStoreName } from "@repo/catalog";
import { headMac, type HeadState, rowMac } from "@repo/envelope";
import type { RateLimitOptions } from "../access/rate-limits.ts";
import type { SignIn } from "../companies/authenticate.ts";
import type { CompanyScope } from "../companies/companies.ts";
import { createOutbound } from "@repo/outbound";
import type { MailOptions } from "../companies/mailing.ts";
import { companyIdOf } from "../companies/company-id.ts";
import type { Operations } from "../access/operation.ts";
import type { KeyReplacement } from "../keys/audit-keys.ts";
import { masterKeyName } from "../keys/master/master-key-name.ts";
import type { CredentialChecks } from "../providers/credential-check.ts";
import { createTestAccounts, type TestAccounts } from "./accounts.ts";
import { assembleTenantSecrets } from "../assemble.ts";
import type { Assembly, AssemblyOptions } from "../assembly/assembly.ts";
import { assembleBase } from "../assembly/base.ts";

type DeliveryChat = Assembly<typeof deliveryChatCatalog>;
type Emulator = Awaited<ReturnType<typeof startInfisicalEmulator>>;

/** Product code with every permission of a job, on every secret. */
export const product: Caller = systemCaller("test", {
  verbs: ["describe", "use", "write", "delete"],
  secretKeys: ["*"],
});
export const operator: Caller = { actor: { kind: "operator", id: "test-operator" } };

/** A person's id in a header stands for a sign-in that knows no sessions. Real sign-ins are tested elsewhere. */
function signInWith(accounts: TestAccounts): SignIn {
  return async (headers) => {
    const userId = headers.get("x-test-user");
    return userId === null ? accounts.signIn(headers) : { userId };
  };
}

/** Enqueues mail like a deployment does; a test that reads one runs the jobs. */
const mail: MailOptions = {
  send: async () => {},
  publicUrl: "https://admin.example.test",
};

/** `operator` needs no second one. Approvals are tested with `another({ operatorApprovals: 2 })`. */
const alone = { operatorApprovals: 1, address: "https://admin.example.test" } as const;

/** An address that an endpoint may be at, and where nothing answers: port 9 is that of the discard protocol. */
export const silentUrl = "http://127.0.0.1:9/hooks";
const outbound = createOutbound({ allow: [new URL(silentUrl).host] });

export interface Fixture {
  readonly secrets: DeliveryChat;
  /** The accounts and sessions of people. */
  readonly accounts: TestAccounts;
  readonly database: Database;
  readonly infisical: InfisicalClient;
  readonly emulator: Emulator;
  /** Where companies have keys of their own. */
  readonly kms: LocalKms;
  readonly urls: TestDatabase["urls"];
  /** Bypasses row-level security: for inspecting rows, and for attacks by a party with the database. */
  readonly superuser: postgres.Sql;
  /** Another process on the same database and Infisical: empty caches, its own pools. */
  another(options?: Partial<AssemblyOptions<typeof deliveryChatCatalog>>): DeliveryChat;
  /** A copy of the current database, as a restore on another server. @returns as `another`, on the copy */
  copy(): Promise<() => DeliveryChat>;
  /** Creates a company with an unused name. */
  company(secretStore: SecretStoreName): Promise<string>;
  /** Gives every row that decides who may read a valid MAC, as if the product had written what plain SQL put there. */
  remacRows(): Promise<void>;
  /** Changes the store of a company by plain SQL, within a given transaction, as if its change had come to its last step. */
  setStore(sql: postgres.ISql, subdomain: string, to: SecretStoreName): Promise<void>;
  /** As `remacRows`, for companies alone and within a given transaction. */
  remacCompanies(sql: postgres.ISql): Promise<void>;
  /** As `remacRows`, for the heads of secrets and within a given transaction. */
  remacHeads(sql?: postgres.ISql): Promise<void>;
  /** Resolves a company, by default for `product`. */
  scope(subdomain: string, caller?: Caller): Promise<CompanyScope>;
  /** A new person with the given role in a company. */
  person(subdomain: string, role: Role): Promise<Person>;
}

export interface Person extends Caller {
  readonly userId: string;
  /** The headers of a request by this person. */
  readonly headers: Headers;
}

/**
 * A database, an Infisical emulator and the product on top, for one test file or one test. Closed at its end.
 *
 * @param checks replaces the providers' credential checks
 * @param limits raises rate limits above production's defaults
 * @param server which Infisical is emulated, the region that it is in, and what happens to the database before it is connected to
 */
export async function createFixture(
  checks?: CredentialChecks,
  limits?: RateLimitOptions,
  {
    region = "default",
    prepareDatabase = async (database) => database,
    ...server
  }: Pick<InfisicalEmulatorOptions, "generation"> & {
    readonly region?: string;
    readonly prepareDatabase?: (database: TestDatabase) => Promise<TestDatabase>;
  } = {},
): Promise<Fixture> {
  const testDatabase = await prepareDatabase(await createTestDatabase());
  const emulator = await startInfisicalEmulator(server);
  const kms = await startLocalKms();
  const externalKeys = createAwsKms(kms);
  const closing: (() => Promise<unknown>)[] = [];
  const copies: TestDatabase[] = [];
  const connect = ({ urls } = testDatabase): { database: Database; infisical: InfisicalClient } => {
    const { application, maintenance } = urls;
    const opened = connectDatabase({ applicationUrl: application, maintenanceUrl: maintenance });
    closing.push(() => opened.close());
    return { database: opened, infisical: createInfisicalClient({ ...emulator, environment: "dev" }) };
  };
  const { database, infisical } = connect();
  await infisical.putSecret("/hono-api", masterKeyName(region, 1), randomBytes(32).toString("hex"));
  await infisical.putSecret("/hono-api", "SIGN_IN_SECRET", randomBytes(32).toString("hex"));
  const accounts = createTestAccounts();
  const people = { signIn: signInWith(accounts), accounts };
  const secrets = assembleTenantSecrets({
    database,
    infisical,
    catalog: deliveryChatCatalog,
    region,
    externalKeys,
    limits,
    ...people,
    ...alone,
    mail,
    outbound,
    checks,
  });
  const superuser = postgres(testDatabase.superuserUrl, { max: 2, onnotice: () => {} });
  closing.push(() => superuser.end());
  whenDone(async () => {
    await Promise.all(closing.map((close) => close()));
    await emulator.stop();
    await kms.stop();
    await Promise.all([testDatabase, ...copies].map((each) => each.drop()));
  });
  const { rowKeys, companyKeys } = assembleBase({ database, infisical, region, externalKeys });
  let companies = 0;
  const remacCompanies: Fixture["remacCompanies"] = async (sql) => {
    const { active } = await rowKeys.load();
    const rows = await sql<CompanyRow[]>`
      select id, subdomain, infisical_folder as "infisicalFolder", secret_store as "secretStore",
        store_epoch as "storeEpoch", status, second_factor_required as "secondFactorRequired",
        home_region as "homeRegion", home_epoch as "homeEpoch", revision, mac_key_version as "macKeyVersion", mac from companies`;
    for (const row of rows) {
      const mac = rowMac(active, { kind: "company", ...row }, row.revision);
      if (mac.equals(row.mac)) continue;
      await sql`update companies set mac_key_version = ${active.keyVersion}, mac = ${mac} where id = ${row.id}`;
    }
  };
  return {
    secrets,
    accounts,
    database,
    infisical,
    emulator,
    kms,
    urls: testDatabase.urls,
    superuser,
    another: (options = {}) =>
      assembleTenantSecrets({
        ...connect(),
        catalog: deliveryChatCatalog,
        region,
        externalKeys,
        limits,
        ...people,
        ...alone,
        mail,
        outbound,
        ...options,
      }),
    copy: async () => {
      const copy = await testDatabase.copy();
      copies.push(copy);
      return () =>
        assembleTenantSecrets({
          ...connect(copy),
          catalog: deliveryChatCatalog,
          region,
          externalKeys,
          limits,
          ...people,
          ...alone,
        });
    },
    company: async (secretStore) => {
      const subdomain = `company-${++companies}`;
      await secrets.companies.create(operator, { subdomain, secretStore });
      return subdomain;
    },
    remacCompanies,
    setStore: async (sql, subdomain, to) => {
      await sql`insert into store_holds select id, gen_random_uuid(), clock_timestamp() + interval '1 minute' from companies where subdomain = ${subdomain}`;
      await sql`update companies set secret_store = ${to}, store_epoch = store_epoch + 1 where subdomain = ${subdomain}`;
      await sql`set constraints held_store immediate`;
      await sql`delete from store_holds where company_id = (select id from companies where subdomain = ${subdomain})`;
      await remacCompanies(sql);
    },
    remacHeads: async (sql = superuser) => {
      const heads = await sql<(HeadState & { readonly mac: Buffer })[]>`
        select company_id as "companyId", secret_key as "secretKey", current_version as "currentVersion",
          pending_version as "pendingVersion", last_version as "lastVersion", origin, grace_windows as "graceWindows", canary,
          (extract(epoch from expires_at) * 1000)::float8 as "expiresAtMs", deleted_at is not null as removed,
          (extract(epoch from recover_until) * 1000)::float8 as "recoverUntilMs", purged_at is not null as purged, mac
        from company_secrets`;
      for (const head of heads) {
        const [key] = await companyKeys.usable(companyIdOf({ id: head.companyId }));
        const mac = headMac(key, head);
        if (mac.equals(head.mac)) continue;
        // A head that was changed since is genuine, and has another MAC.
        await sql`update company_secrets set mac_key_version = ${key.keyVersion}, mac = ${mac}
          where company_id = ${head.companyId} and secret_key = ${head.secretKey} and mac = ${head.mac}`;
      }
    },
    remacRows: async () => {
      const { active } = await rowKeys.load();
      await database.acrossCompanies(async (statements) => {
        for (const table of rowTables) {
          const rows = await table.select(statements, undefined, 100_000);
          const renewed = rows.map(({ state, beside: { revision } }) => {
            const mac = rowMac(active, state, revision);
            return { state, beside: { revision, macKeyVersion: active.keyVersion, mac } };
          });
          await table.remac(statements, renewed);
        }
      });
    },
    scope: (subdomain, caller = product) =>
      secrets.companies.resolve({ caller, action: "secret.read" }, subdomain),
    person: async (subdomain, role) => {
      const newMember = { email: `${randomUUID()}@example.com`, name: `Test ${role}`, role };
      const { userId } = await secrets.members.add(operator, subdomain, newMember);
      const headers = new Headers({ "x-test-user": userId });
      return { ...(await secrets.authenticate({ headers })), userId, headers };
    },
  };
}

/** A commit without an audit event, for keys that a test replaces by itself. */
export function commitUnaudited(database: Database): KeyReplacement["commit"] {
  return async (work) => (await database.acrossCompanies((statements) => work({ statements }))).result;
}

/** The operations of a separate process, with empty caches. */
export function operationsOf({ database, infisical }: Pick<Fixture, "database" | "infisical">): Operations {
  return assembleBase({ database, infisical }).operations;
}

/** The code of the TenantSecretsError that a call throws, or a text for any other result. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "no error";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : `no code: ${String(error)}`;
  }
}
