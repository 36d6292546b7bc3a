import { randomBytes } from "node:crypto";
import { connectDatabase, type Database } from "@repo/db";
import { createTestDatabase, type TestDatabase } from "@repo/db/testing";
import { createInfisicalClient, type InfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator } from "@repo/infisical/emulator";
import postgres from "postgres";
import { afterAll } from "vitest";
import { deliveryChatCatalog } from "./catalog/delivery-chat.ts";
import { createTenantSecrets, type TenantSecrets } from "./tenant-secrets.ts";
import { job, type Caller } from "./vocabulary/actor.ts";
import type { SecretStoreName } from "./vocabulary/names.ts";

type DeliveryChat = TenantSecrets<typeof deliveryChatCatalog>;
type Emulator = Awaited<ReturnType<typeof startInfisicalEmulator>>;

/** Code of the product that may do everything a job can, on every secret. */
export const product: Caller = job("test", {
  verbs: ["describe", "use", "write", "delete"],
  secretKeys: ["*"],
});
export const operator: Caller = { actor: { kind: "operator", id: "test-operator" } };

export interface Fixture {
  readonly secrets: DeliveryChat;
  readonly database: Database;
  readonly infisical: InfisicalClient;
  readonly emulator: Emulator;
  readonly urls: TestDatabase["urls"];
  /** Bound by nothing: for looking at rows, and for what an attacker with the database would do. */
  readonly superuser: postgres.Sql;
  /** Another process's view of the same database and Infisical: nothing cached, pools of its own. */
  another(): DeliveryChat;
  /** The database as it is now, restored elsewhere. @returns as `another`, on that one */
  copy(): Promise<() => DeliveryChat>;
  /** Makes a company of a name not used before. */
  company(secretStore: SecretStoreName): Promise<string>;
}

/** A database, an Infisical and the whole on top, for one test file. Ends with it. */
export async function createFixture(): Promise<Fixture> {
  const testDatabase = await createTestDatabase();
  const emulator = await startInfisicalEmulator();
  const closing: (() => Promise<unknown>)[] = [];
  const copies: TestDatabase[] = [];
  const connect = ({ urls } = testDatabase): { database: Database; infisical: InfisicalClient } => {
    const { application, maintenance } = urls;
    const opened = connectDatabase({ applicationUrl: application, maintenanceUrl: maintenance });
    closing.push(() => opened.close());
    return { database: opened, infisical: createInfisicalClient({ ...emulator, environment: "dev" }) };
  };
  const { database, infisical } = connect();
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomBytes(32).toString("hex"));
  const secrets = createTenantSecrets({ database, infisical, catalog: deliveryChatCatalog });
  const superuser = postgres(testDatabase.superuserUrl, { max: 2, onnotice: () => {} });
  closing.push(() => superuser.end());
  afterAll(async () => {
    await Promise.all(closing.map((close) => close()));
    await emulator.stop();
    await Promise.all([testDatabase, ...copies].map((each) => each.drop()));
  });
  let companies = 0;
  return {
    secrets,
    database,
    infisical,
    emulator,
    urls: testDatabase.urls,
    superuser,
    another: () => createTenantSecrets({ ...connect(), catalog: deliveryChatCatalog }),
    copy: async () => {
      const copy = await testDatabase.copy();
      copies.push(copy);
      return () => createTenantSecrets({ ...connect(copy), catalog: deliveryChatCatalog });
    },
    company: async (secretStore) => {
      const subdomain = `company-${++companies}`;
      await secrets.companies.create(operator, { subdomain, secretStore });
      return subdomain;
    },
  };
}

/** The code of the TenantSecretsError that a call ends with, or what else became of it. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "no error";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : `no code: ${String(error)}`;
  }
}
