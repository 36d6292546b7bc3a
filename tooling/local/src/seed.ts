import { randomBytes } from "node:crypto";
import { connectDatabase } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import type { InfisicalClient, InfisicalOptions } from "@repo/infisical";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createOutbound } from "@repo/outbound";
import { createTenantSecrets, providerChecks, TenantSecretsError } from "@repo/tenant-secrets";
import type { Caller, NewApiKey, TenantSecrets } from "@repo/tenant-secrets";
import { demoCompanies } from "./credentials.ts";
import type { CredentialStore, DemoCompany } from "./credentials.ts";
import type { RoleUrls } from "./database.ts";
import { seedAccess } from "./demo-access.ts";
import { seedRotation, type DemoReceiver } from "./demo-rotation.ts";
import { seedPeople, type DemoSignIn } from "./demo-people.ts";
import { seedStates, seedValues } from "./demo-secrets.ts";

type DeliveryChat = TenantSecrets<typeof deliveryChatCatalog>;
export type InfisicalServer = Omit<InfisicalOptions, "environment">;

const operator: Caller = { actor: { kind: "operator", id: "local-start" } };
const lifeMs = 90 * 24 * 3_600_000;

/** Makes the master key where there is none. @param name of the key, which its region says */
export async function seedMasterKey(server: InfisicalServer, name = "MASTER_ENCRYPTION_KEY"): Promise<void> {
  const infisical = createInfisicalClient({ ...server, environment: "dev" });
  const known = await infisical.findSecret("/hono-api", name);
  if (known !== undefined) return;
  await infisical.putSecret("/hono-api", name, randomBytes(32).toString("hex"));
}

export interface DemoServers {
  readonly database: RoleUrls;
  readonly infisical: InfisicalServer;
  readonly stripe: { readonly url: string } | undefined;
  readonly sendgrid: { readonly url: string } | undefined;
  readonly receiver: DemoReceiver;
  /** As the API has it; undefined where the API signs no person in. */
  readonly signIn: DemoSignIn | undefined;
}

/**
 * Creates the companies, people, values and credentials of the demo in a migrated database. Existing ones stay, and a repeated
 * start completes an interrupted one.
 *
 * @param store has the credentials of earlier starts; valid ones are reused
 * @throws {TenantSecretsError} as `prepare`, `create` and `set` do
 */
export async function seedDemo(
  { database: urls, infisical: server, stripe, sendgrid, receiver, signIn }: DemoServers,
  store: CredentialStore,
): Promise<void> {
  const database = connectDatabase({ applicationUrl: urls.application, maintenanceUrl: urls.maintenance });
  const infisical = createInfisicalClient({ ...server, environment: "dev" });
  try {
    const secrets = createTenantSecrets({
      database,
      infisical,
      catalog: deliveryChatCatalog,
      cache: false,
      outbound: createOutbound({ allow: [new URL(receiver.url).host] }),
      checks: providerChecks({ stripe: stripe?.url, sendgrid: sendgrid?.url }),
      // The API's jobs send the mails that are enqueued here.
      mail: signIn && { ...signIn, send: async () => {} },
    });
    await seedCredentials({ secrets, infisical, canCheck: stripe !== undefined }, store);
    if (signIn !== undefined) await seedPeople({ secrets, operator, signIn }, store);
    await seedRotation({ secrets, operator, sendgrid, receiver }, store);
    await seedAccess({ secrets, operator, canInvite: signIn !== undefined });
  } finally {
    await database.close();
  }
}

interface Parts {
  readonly secrets: DeliveryChat;
  readonly infisical: InfisicalClient;
  readonly canCheck: boolean;
}

async function seedCredentials(
  { secrets, infisical, canCheck }: Parts,
  { known, keep }: CredentialStore,
): Promise<void> {
  const ensure = async (name: string, make: () => Promise<string>): Promise<void> => {
    if (!(await isGood(secrets, known(name)))) keep(name, await make());
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
    return (await secrets.admin.operators.create(operator, { name: "local start", expiresAt })).token;
  });
  for (const [company, secretStore] of Object.entries(demoCompanies)) {
    // A company's key is made last: where there is one, the values were there, and whatever became of them is wanted.
    await ensure(company, async () => {
      const isNew = await createCompany(secrets, company, secretStore);
      if (isNew || known(company) === undefined) {
        await seedValues(secrets, infisical, company);
        if (company === "acmecorp") await seedStates(secrets, canCheck);
      }
      return apiKey({ name: `${company}, local start`, companies: [company], platform: false });
    });
  }
  await ensure("platform", () =>
    apiKey({ name: "platform, local start", companies: Object.keys(demoCompanies), platform: true }),
  );
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
