import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase, type Database } from "@repo/db";
import { createTestDatabase, whenDone, type TestDatabase } from "@repo/db/testing";
import { createInfisicalClient, type InfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator, type InfisicalEmulator } from "@repo/infisical/emulator";
import { startLocalStripe, type LocalStripe } from "@repo/providers/stripe";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import type { Mail, SignIn } from "@repo/sign-in";
import {
  createTenantSecrets,
  type Catalog,
  systemCaller,
  type Caller,
  type RateLimitOptions,
  type TenantSecrets,
} from "@repo/tenant-secrets";
import { createApp } from "../app.ts";
import { listen } from "../http-server.ts";
import { createLog } from "../log.ts";
import { createMetrics, type Metrics } from "../metrics/metrics.ts";
import { signPeopleIn } from "../people.ts";
import { createStartUp } from "../bootstrap.ts";
import { readAdminFiles } from "../routes/admin-files.ts";

export const operator: Caller = { actor: { kind: "operator", id: "test-operator" } };

/** The companies of every test, one for each store. */
export const companies = {
  codewiser: { secretStore: "infisical", stripeKey: "sk_test_fake_codewiser_0001" },
  acmecorp: { secretStore: "hybrid", stripeKey: "sk_test_fake_acmecorp_0002" },
  "another-company": { secretStore: "database", stripeKey: "sk_test_fake_another_0003" },
} as const;
export type Subdomain = keyof typeof companies;
export const subdomains: readonly Subdomain[] = ["codewiser", "acmecorp", "another-company"];

export interface Backends {
  readonly database: TestDatabase;
  readonly emulator: InfisicalEmulator;
  readonly stripe: LocalStripe;
  readonly infisical: InfisicalClient;
  readonly secrets: TenantSecrets<typeof deliveryChatCatalog>;
  /** An API key with every permission that a service can have, in these companies. */
  apiKey(...companies: readonly Subdomain[]): Promise<{ readonly apiKey: string; readonly id: string }>;
  /** An API key that has expired. */
  expiredApiKey(company: Subdomain): Promise<string>;
}

/** The database, Infisical and Stripe of the API, with three companies and their secrets. Closed after the test file. */
export async function createBackends(): Promise<Backends> {
  const database = await createTestDatabase();
  const emulator = await startInfisicalEmulator();
  const stripe = await startLocalStripe();
  const { application, maintenance } = database.urls;
  const connection = connectDatabase({ applicationUrl: application, maintenanceUrl: maintenance });
  whenDone(async () => {
    await connection.close();
    await Promise.all([emulator.stop(), stripe.stop()]);
    await database.drop();
  });
  const infisical = createInfisicalClient({ ...emulator, environment: "dev" });
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomBytes(32).toString("hex"));
  const secrets = createTenantSecrets({
    database: connection,
    infisical,
    catalog: deliveryChatCatalog,
    cache: false,
  });
  const product = systemCaller("test", { verbs: ["write"], secretKeys: ["*"] });
  for (const subdomain of subdomains) {
    const { secretStore, stripeKey } = companies[subdomain];
    await secrets.admin.companies.create(operator, { subdomain, secretStore });
    await secrets.company(subdomain, product).set("STRIPE_SECRET_KEY", stripeKey);
  }
  return {
    database,
    emulator,
    stripe,
    infisical,
    secrets,
    apiKey: async (...entered) => {
      const { apiKey, description } = await secrets.admin.apiKeys.create(operator, {
        name: "test",
        companies: entered,
        platform: entered.length > 1,
        verbs: ["describe", "use", "write", "delete"],
        secretKeys: ["*"],
        expiresAt: new Date(Date.now() + 3_600_000),
      });
      return { apiKey, id: description.id };
    },
    expiredApiKey: async (company) => {
      const { apiKey, description } = await secrets.admin.apiKeys.create(operator, {
        name: "test",
        companies: [company],
        platform: false,
        verbs: ["use"],
        secretKeys: ["*"],
        expiresAt: new Date(Date.now() + 500),
      });
      const isOver = `select expires_at <= now() as over from api_keys where id = '${description.id}'`;
      for (let over = false; !over; await sleep(100)) {
        const [row] = await connection.acrossCompanies((statements) => statements.execute(isOver));
        over = row?.["over"] === true;
      }
      return apiKey;
    },
  };
}

export interface Api {
  readonly url: string;
  /** Lines of the log. */
  readonly lines: readonly string[];
  readonly metrics: Metrics;
  readonly database: Database;
  readonly accounts: SignIn["accounts"] | undefined;
}

export interface ApiOptions {
  readonly backends?: Backends;
  /** Whether the start is complete. Default true. */
  readonly started?: boolean;
  /** Default: the limits of production. */
  readonly limits?: RateLimitOptions;
  readonly trustedProxies?: number;
  readonly maxRequestsInFlight?: number;
  /** The directory of the built admin app. Default none. */
  readonly adminDirectory?: string;
  /** Where the mails of the sign-in go. Without it, or without `backends`, no person signs in. */
  readonly mails?: Mail[];
  /** The database of the sign-in. Default: that of `backends`. */
  readonly signInUrl?: string;
}

/** The API on a socket, in this process. Without `backends` its database, Infisical and Stripe are unreachable. */
export async function startApi({
  backends,
  started = true,
  limits = {},
  trustedProxies = 0,
  maxRequestsInFlight = 1000,
  adminDirectory,
  mails,
  signInUrl = backends?.database.urls.signIn,
}: ApiOptions = {}): Promise<Api> {
  const unreachableUrl = "postgres://nobody:nothing@127.0.0.1:1/nowhere";
  const metrics = createMetrics();
  const database = connectDatabase({
    applicationUrl: backends?.database.urls.application ?? unreachableUrl,
    maintenanceUrl: backends?.database.urls.maintenance ?? unreachableUrl,
    onCall: metrics.databaseCall,
  });
  const unreachableInfisical = {
    siteUrl: "http://127.0.0.1:1",
    clientId: "none",
    clientSecret: "none",
    projectId: "none",
  };
  const infisical = createInfisicalClient({
    ...(backends?.emulator ?? unreachableInfisical),
    environment: "dev",
  });
  const lines: string[] = [];
  const log = createLog("debug", { write: (line) => void lines.push(line) });
  const startUp = createStartUp(log);
  if (started) await startUp.run(async () => {}, new AbortController().signal);
  const catalog: Catalog = deliveryChatCatalog;
  const signIn =
    mails === undefined || signInUrl === undefined
      ? undefined
      : signPeopleIn({
          databaseUrl: signInUrl,
          publicUrl: "http://localhost",
          sendMail: async (mail) => void mails.push(mail),
          secrets: () => secrets,
        });
  const secrets: TenantSecrets<Catalog> = createTenantSecrets({
    database,
    infisical,
    catalog,
    limits,
    cache: false,
    signIn: signIn && ((headers) => signIn.session(headers)),
    accounts: signIn?.accounts,
  });
  const stripeApiUrl = backends?.stripe.url ?? "http://127.0.0.1:1";
  const createAppAt = (url: string) =>
    createApp({
      secrets,
      database,
      infisical,
      startUp,
      isStopping: () => false,
      isListening: () => true,
      log,
      metrics,
      baseDomain: "localhost",
      stripeApiUrl,
      trustedProxies,
      publicUrl: url,
      admin: adminDirectory === undefined ? undefined : readAdminFiles(adminDirectory),
      allowedOrigins: ["https://admin.example.com"],
      maxRequestsInFlight,
      signIn,
    });
  metrics.collect({
    database,
    secrets,
    breaker: () => infisical.state(),
    state: () => "serving",
    isListening: () => true,
    mirrorLag: async () => secrets.admin.mirroring.lag(),
    webhooks: async () => secrets.admin.measureDeliveries(),
    clock: () => secrets.admin.measureClock(),
    regions: () => secrets.admin.regionStatus.look(),
    rotations: () => secrets.admin.rotation.measure(),
    deletions: () => secrets.admin.deletions.measure(),
    retention: () => secrets.admin.retention.measure(),
  });
  const server = await listen(createAppAt, { host: "127.0.0.1", port: 0 });
  whenDone(async () => {
    await server.stop(1000);
    await signIn?.close();
    await database.close();
  });
  return { url: server.url, lines, metrics, database, accounts: signIn?.accounts };
}
