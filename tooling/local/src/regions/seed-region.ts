import { connectDatabase } from "@repo/db";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createInfisicalClient } from "@repo/infisical";
import { createTenantSecrets, type Caller } from "@repo/tenant-secrets";
import { demoPeople, type CredentialStore } from "../credentials.ts";
import type { RoleUrls } from "../database.ts";
import { seedPeople, type DemoSignIn } from "../demo-people.ts";
import type { InfisicalServer } from "../seed.ts";

const operator: Caller = { actor: { kind: "operator", id: "local-start" } };
const lifeMs = 90 * 24 * 3_600_000;

/** The person who can sign in to the admin app of a region. */
const people = Object.fromEntries(Object.entries(demoPeople).filter(([, { isOperator }]) => isOperator));

interface RegionServers {
  readonly region: string;
  readonly database: RoleUrls;
  readonly infisical: InfisicalServer;
  readonly signIn: DemoSignIn;
}

/** Makes an operator's token, and a person who may act as an operator. Those that the store knows stay. */
export async function seedRegion(
  { region, database: urls, infisical: server, signIn }: RegionServers,
  store: CredentialStore,
): Promise<void> {
  const database = connectDatabase({ applicationUrl: urls.application, maintenanceUrl: urls.maintenance });
  try {
    const secrets = createTenantSecrets({
      database,
      infisical: createInfisicalClient({ ...server, environment: "dev" }),
      catalog: deliveryChatCatalog,
      cache: false,
      region,
    });
    if (store.known("operator") === undefined) {
      const expiresAt = new Date(Date.now() + lifeMs);
      const { token } = await secrets.admin.operators.create(operator, { name: "local start", expiresAt });
      store.keep("operator", token);
    }
    await seedPeople({ secrets, operator, signIn, people }, store);
  } finally {
    await database.close();
  }
}
