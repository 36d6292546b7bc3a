import { randomBytes } from "node:crypto";
import { connectDatabase } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import type { InfisicalClient, InfisicalOptions } from "@repo/infisical";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createTenantSecrets, systemCaller, TenantSecretsError } from "@repo/tenant-secrets";
import type { Caller, NewApiKey, TenantSecrets } from "@repo/tenant-secrets";
import { demoCompanies } from "./credentials.ts";
import type { Credentials, DemoCompany } from "./credentials.ts";
import type { RoleUrls } from "./database.ts";

type DeliveryChat = TenantSecrets<typeof deliveryChatCatalog>;
export type InfisicalServer = Omit<InfisicalOptions, "environment">;

const operator: Caller = { actor: { kind: "operator", id: "local-start" } };
const product: Caller = systemCaller("local-start", { verbs: ["describe", "write"], secretKeys: ["*"] });
const lifeMs = 90 * 24 * 3_600_000;

/** Makes the master key where there is none. */
export async function seedMasterKey(server: InfisicalServer): Promise<void> {
  const infisical = createInfisicalClient({ ...server, environment: "dev" });
  const known = await infisical.findSecret("/hono-api", "MASTER_ENCRYPTION_KEY");
  if (known !== undefined) return;
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomBytes(32).toString("hex"));
}

/**
 * Creates the companies, values and credentials of the demo in a migrated database. Existing ones stay, and a repeated
 * start completes an interrupted one.
 *
 * @param known the credentials of earlier starts; valid ones are reused
 * @param keep told of all credentials after each new one, so that none is lost
 * @returns all credentials
 * @throws {TenantSecretsError} as `prepare`, `create` and `set` do
 */
export async function seedDemo(
  { database: urls, infisical: server }: { readonly database: RoleUrls; readonly infisical: InfisicalServer },
  known: Credentials,
  keep: (credentials: Credentials) => void,
): Promise<Credentials> {
  const database = connectDatabase({ applicationUrl: urls.application, maintenanceUrl: urls.maintenance });
  const infisical = createInfisicalClient({ ...server, environment: "dev" });
  try {
    const secrets = createTenantSecrets({ database, infisical, catalog: deliveryChatCatalog, cache: false });
    return await seedCredentials({ secrets, infisical }, known, keep);
  } finally {
    await database.close();
  }
}

async function seedCredentials(
  { secrets, infisical }: { readonly secrets: DeliveryChat; readonly infisical: InfisicalClient },
  known: Credentials,
  keep: (credentials: Credentials) => void,
): Promise<Credentials> {
  const credentials = { ...known };
  const ensure = async (name: string, make: () => Promise<string>): Promise<void> => {
    if (await isGood(secrets, credentials[name])) return;
    credentials[name] = await make();
    keep(credentials);
  };
  const apiKey = async (key: Pick<NewApiKey, "companies" | "platform" | "name">): Promise<string> => {
    const made = await secrets.admin.apiKeys.create(operator, {
      ...key,
      verbs: ["describe", "use", "write", "delete"],
      secretKeys: ["*"],
      expiresAt: new Date(Date.now() + lifeMs),
    });
    return made.apiKey;
  };

  await ensure("operator", async () => {
    const expiresAt = new Date(Date.now() + lifeMs);
    return (await secrets.admin.operators.create(operator, "local start", expiresAt)).token;
  });
  for (const [company, secretStore] of Object.entries(demoCompanies)) {
    // A company's key is made last: where there is one, the values were there, and whatever became of them is wanted.
    await ensure(company, async () => {
      const isNew = await createCompany(secrets, company, secretStore);
      if (isNew || credentials[company] === undefined) await seedValues(secrets, infisical, company);
      return apiKey({ name: `${company}, local start`, companies: [company], platform: false });
    });
  }
  await ensure("platform", () =>
    apiKey({ name: "platform, local start", companies: Object.keys(demoCompanies), platform: true }),
  );
  return credentials;
}

async function isGood(secrets: DeliveryChat, credential: string | undefined): Promise<boolean> {
  if (credential === undefined) return false;
  try {
    await secrets.authenticate({ credential });
    return true;
  } catch (error) {
    if (error instanceof TenantSecretsError && error.code === "UNAUTHENTICATED") return false;
    throw error;
  }
}

/** @returns false where it was there already */
async function createCompany(
  secrets: DeliveryChat,
  subdomain: string,
  secretStore: (typeof demoCompanies)[DemoCompany],
): Promise<boolean> {
  try {
    await secrets.admin.companies.create(operator, { subdomain, secretStore });
    return true;
  } catch (error) {
    if (error instanceof TenantSecretsError && error.code === "CONFLICT") return false;
    throw error;
  }
}

async function seedValues(secrets: DeliveryChat, infisical: InfisicalClient, company: string): Promise<void> {
  const handle = secrets.company(company, product);
  const present = new Set((await handle.list()).secrets.map(({ secretKey }) => secretKey));
  const values = {
    STRIPE_SECRET_KEY: `sk_test_fake_${company.replaceAll("-", "_")}_0001`,
    SENDGRID_API_KEY: `SG.fake_${company}.fake_sendgrid_key_0001`,
    CUSTOM_API_KEY: `fake_custom_${company}_0001`,
  } as const;
  for (const secretKey of ["STRIPE_SECRET_KEY", "SENDGRID_API_KEY", "CUSTOM_API_KEY"] as const) {
    if (present.has(secretKey)) continue;
    // The demo's hybrid company has one value that its old folder alone knows, so that the look-up there can be seen.
    if (company === "acmecorp" && secretKey === "SENDGRID_API_KEY") {
      await infisical.putSecret(`/tenants/${company}`, secretKey, values[secretKey]);
    } else {
      await handle.set(secretKey, values[secretKey]);
    }
  }
}
