import { randomBytes } from "node:crypto";
import { connectDatabase, migrateDatabase, provisionDatabase, type DatabaseUrls } from "@repo/db";
import { startPrimary, startStandby, type Standby, type StreamingServer } from "@repo/db/standby";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator, type InfisicalEmulator } from "@repo/infisical/emulator";
import { createTenantSecrets, systemCaller, type Caller, type TenantSecrets } from "@repo/tenant-secrets";

/** A database with a standby, to fail over, and two companies with one API key. */
export interface Replicated {
  readonly primary: StreamingServer;
  readonly standby: Standby;
  readonly emulator: InfisicalEmulator;
  /** Each names both servers; the standby, which has to be passed over, comes first in half of them. */
  readonly urls: DatabaseUrls;
  /** Writes and reads under load. */
  readonly company: string;
  /** Has a secret that nothing changes: what changes is cached no more. */
  readonly stableCompany: string;
  readonly credential: string;
  /** Another process on the server that was the standby. The caller stops it. */
  atStandby(): Promise<{
    readonly secrets: TenantSecrets<typeof deliveryChatCatalog>;
    readonly database: ReturnType<typeof connectDatabase>;
    stop(): Promise<void>;
  }>;
  stop(): Promise<void>;
}

const operator: Caller = { actor: { kind: "operator", id: "test-operator" } };
export const writer = systemCaller("test", { verbs: ["use", "write"], secretKeys: ["*"] });

export const stableKey = "STRIPE_SECRET_KEY";
export const stableValue = "sk_test_fake_stable_0001";

/** @param isSynchronous whether a commit waits until the standby has it, so that a failover loses nothing */
export async function startReplicated(isSynchronous: boolean): Promise<Replicated> {
  const [primary, emulator] = await Promise.all([startPrimary(), startInfisicalEmulator()]);
  const urls = await provisionDatabase({ superuserUrl: primary.superuserUrl, database: "replicated" });
  await migrateDatabase(urls.migration);
  const standby = await startStandby(primary);
  if (isSynchronous) {
    const { superuserUrl } = primary;
    const superuser = connectDatabase({ applicationUrl: superuserUrl, maintenanceUrl: superuserUrl });
    await superuser.outsideCompanies((sql) => sql`alter system set synchronous_standby_names = '*'`);
    await superuser.outsideCompanies((sql) => sql`select pg_reload_conf()`);
    await superuser.close();
  }
  const infisical = createInfisicalClient({ ...emulator, environment: "dev" });
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomBytes(32).toString("hex"));
  const database = connectDatabase({ applicationUrl: urls.application, maintenanceUrl: urls.maintenance });
  const options = { infisical, catalog: deliveryChatCatalog, cache: false as const };
  const secrets = createTenantSecrets({ ...options, database });
  const [company, stableCompany] = ["acmecorp", "another-company"] as const;
  for (const subdomain of [company, stableCompany])
    await secrets.admin.companies.create(operator, { subdomain, secretStore: "database" });
  await secrets.company(stableCompany, writer).set(stableKey, stableValue);
  const { apiKey: credential } = await secrets.admin.apiKeys.create(operator, {
    name: "test",
    companies: [company, stableCompany],
    platform: true,
    verbs: ["describe", "use", "write"],
    secretKeys: ["*"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  await secrets.stop();
  await database.close();

  const [here, there] = [hostOf(urls.application), `127.0.0.1:${standby.port}`];
  const at = (url: string, hosts: string, session = ""): string => {
    const changed = url.replace(`@${here}/`, `@${hosts}/`);
    return session === "" ? changed : `${changed}?target_session_attrs=${session}`;
  };
  return {
    primary,
    standby,
    emulator,
    company,
    stableCompany,
    credential,
    urls: {
      application: at(urls.application, `${there},${here}`, "read-write"),
      maintenance: at(urls.maintenance, `${there},${here}`, "primary"),
      migration: at(urls.migration, `${there},${here}`),
      listener: at(urls.listener, `${here},${there}`, "read-write"),
      signIn: at(urls.signIn, `${here},${there}`),
    },
    atStandby: async () => {
      const one = connectDatabase({
        applicationUrl: at(urls.application, there),
        maintenanceUrl: at(urls.maintenance, there),
      });
      const other = createTenantSecrets({ ...options, database: one });
      return {
        secrets: other,
        database: one,
        stop: async () => {
          await other.stop();
          await one.close();
        },
      };
    },
    stop: async () => {
      await Promise.all([primary.stop(), standby.stop(), emulator.stop()]);
    },
  };
}

function hostOf(url: string): string {
  const [, host = ""] = /@([^/@]+)\//.exec(url) ?? [];
  return host;
}
