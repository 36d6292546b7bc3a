import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase } from "@repo/db";
import { createOwnDatabase } from "@repo/db/own-server";
import { sql } from "drizzle-orm";
import { createInfisicalClient } from "@repo/infisical";
import { type InfisicalEmulator, startInfisicalEmulator } from "@repo/infisical/emulator";
import {
  type Caller,
  type Catalog,
  type Grant,
  type NewApiKey,
  type SecretKeyOf,
  type SecretStoreName,
  type SecretValues,
  systemCaller,
  type ValueOf,
} from "@repo/catalog";
import type { CompanySecretsOnServer } from "../../assembly/assembly.ts";
import { createTenantSecrets, type TenantSecrets, type TenantSecretsOptions } from "../../tenant-secrets.ts";
import { NODE_ENV } from "../env.ts";
import { databaseOutage, infisicalOutage, type Outage } from "./outages.ts";

type Provided = "catalog" | "database" | "infisical" | "cache";

export type TestOptions<C extends Catalog> = Partial<Omit<TenantSecretsOptions<C>, Provided>> & {
  /** The catalogue of your product. */
  readonly catalog: C;
  /**
   * A migrated database of your own. It is used as it is, and nothing of it is removed. Default: an empty one that goes with the instance,
   * on a server that goes with this process.
   */
  readonly database?:
    | { readonly applicationUrl: string; readonly maintenanceUrl: string; readonly listenerUrl: string }
    | undefined;
};

export interface TestTenantSecrets<C extends Catalog> extends AsyncDisposable {
  /** As in production, started, with your catalogue's types. */
  readonly secrets: TenantSecrets<C>;
  /** For `secrets.admin`: may do what operators may. */
  readonly operator: Caller;
  /** Code of your product. @param grant default: to use, describe, write and delete every secret */
  caller(grant?: Partial<Grant>): Caller;
  /** Makes a company with these secrets. @returns its secrets, for {@link caller} */
  createCompany(
    subdomain: string,
    options?: {
      readonly secrets?: SecretValues<C> | undefined;
      /** Default: `database` */
      readonly secretStore?: SecretStoreName | undefined;
    },
  ): Promise<CompanySecretsOnServer<C>>;
  /** @param grant as of {@link caller} @returns an API key of the company, valid for an hour */
  createApiKey(company: string, grant?: Partial<Pick<NewApiKey, "verbs" | "secretKeys">>): Promise<string>;
  /** A local Infisical, reached over HTTP: its `faults` let single requests fail. */
  readonly infisical: InfisicalEmulator;
  /**
   * Resolves once this instance has heard of everything that was written before. A value that was read in between may have to be read
   * again from the database, as in production: before an outage, wait for this and then read what is to be cached.
   */
  settled(): Promise<void>;
  readonly outages: {
    /** No connection to the database, as if its server were gone. NOT_SUPPORTED with a database of your own. */
    readonly database: Outage;
    /** Infisical does not answer. */
    readonly infisical: Outage;
  };
  /** Stops the instance, its Infisical, and removes its database. May be called more than once. */
  stop(): Promise<void>;
}

const everything = { verbs: ["describe", "use", "write", "delete"], secretKeys: ["*"] } as const;
/** Known to everyone, and so for tests alone. The same each time, so that a database of one's own opens again. */
const masterKey = createHash("sha256").update("the master key of every test").digest("hex");

/**
 * Tenant Secrets for a test of your product: real PostgreSQL, a local Infisical over HTTP, the limits of production. Each call has a
 * database and an Infisical of its own.
 *
 * @throws {Error} where NODE_ENV is production: its master key is public
 */
export function createTestTenantSecrets<C extends Catalog>(
  options: TestOptions<C>,
): Promise<TestTenantSecrets<C>> {
  const made = lastTurn.then(() => create(options));
  lastTurn = made.catch(() => {});
  return made;
}

/** One is made at a time: twenty at once would wait for each other's processor past the deadlines of production. */
let lastTurn: Promise<unknown> = Promise.resolve();

async function create<C extends Catalog>({
  catalog,
  database: given,
  ...options
}: TestOptions<C>): Promise<TestTenantSecrets<C>> {
  if (NODE_ENV === "production") {
    throw new Error("createTestTenantSecrets is for tests: with NODE_ENV=production it does nothing.");
  }
  const ends: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    const failures: unknown[] = [];
    for (const end of ends.splice(0).toReversed()) {
      await end().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw new AggregateError(failures, "Not everything of the kit has stopped.");
  };
  try {
    const own = given === undefined ? await createOwnDatabase() : undefined;
    if (own !== undefined) ends.push(() => own.drop());
    const emulator = await startInfisicalEmulator();
    ends.push(() => emulator.stop());
    const infisical = createInfisicalClient({ ...emulator, environment: "dev" });
    // The deadline of production is for the product: this is set-up, on a machine that may be busy.
    const setUp = createInfisicalClient({ ...emulator, environment: "dev", deadlineMs: 60_000 });
    await setUp.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", masterKey);
    const outage = await databaseOutage(own?.urls);
    ends.push(() => outage.stop());
    const database = connectDatabase(given ?? outage.urls);
    ends.push(() => database.close());
    const secrets = createTenantSecrets({ ...options, catalog, infisical, database });
    ends.push(() => secrets.stop());
    // A test may end in the middle of an outage.
    ends.push(async () => outage.over());
    await secrets.start();
    const operator: Caller = { actor: { kind: "operator", id: "test-operator" } };
    const caller = (grant?: Partial<Grant>) => systemCaller("test", { ...everything, ...grant });
    /** Companies that this made, of which one is told of. */
    const companies: { readonly id: string; readonly subdomain: string }[] = [];
    const settled = async (): Promise<void> => {
      const [beacon] = companies;
      if (beacon === undefined) return;
      const { id, subdomain } = beacon;
      const heard = async () => (await secrets.admin.stamps.get(operator, subdomain)).members;
      const before = await heard();
      // Notifications arrive in the order of their commits.
      await database.acrossCompanies((statements) =>
        statements.execute(sql`select pg_notify('tenant_secrets', ${`company-members ${id}`})`),
      );
      const deadline = performance.now() + 30_000;
      while ((await heard()) === before) {
        if (performance.now() > deadline) throw new Error("News of the database did not arrive within 30 s.");
        await sleep(5);
      }
    };
    const isReached = async () => {
      await database.check();
      await settled();
      return secrets.isListening();
    };
    return {
      secrets,
      operator,
      caller,
      infisical: emulator,
      settled,
      outages: {
        database: outage.until(isReached),
        infisical: infisicalOutage(emulator, () => infisical.ping()),
      },
      createCompany: async (subdomain, { secrets: values, secretStore = "database" } = {}) => {
        companies.push(await secrets.admin.companies.create(operator, { subdomain, secretStore }));
        const company = secrets.company(subdomain, caller());
        for (const [secretKey, value] of entriesOf<C>(values ?? {})) await company.set(secretKey, value);
        await settled();
        return company;
      },
      createApiKey: async (company, grant) => {
        const { apiKey } = await secrets.admin.apiKeys.create(operator, {
          ...everything,
          ...grant,
          name: "test",
          companies: [company],
          platform: false,
          expiresAt: new Date(Date.now() + 3_600_000),
        });
        return apiKey;
      },
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function entriesOf<C extends Catalog>(
  values: SecretValues<C> | object,
): readonly (readonly [SecretKeyOf<C>, ValueOf<C, SecretKeyOf<C>>])[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the names and values of SecretValues are of its catalogue
  return Object.entries(values) as [SecretKeyOf<C>, ValueOf<C, SecretKeyOf<C>>][];
}
