import { z } from "zod";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { type Catalog, type SecretStoreName } from "@repo/catalog";
import { Plaintext } from "@repo/envelope";
import type { RaiseAlarm } from "../access/alarms.ts";
import { createRetention } from "../access/retention.ts";
import type { Company, CompanyScope } from "../companies/companies.ts";
import { product, type Fixture } from "./fixture.ts";
import { assembleBase } from "../assembly/base.ts";
import { findActive } from "../stores/capabilities.ts";
import type { DatabaseStore } from "../stores/database/port.ts";
import { createDatabaseStore } from "../stores/database/database-store.ts";
import type { Quotas } from "../stores/database/quotas.ts";
import { createHybridStore, type HybridStore } from "../stores/hybrid/hybrid-store.ts";
import { createInfisicalStore, type InfisicalStore } from "../stores/infisical/infisical-store.ts";
import { createOutsideWrites } from "../stores/infisical/outside-writes.ts";
import type { EncryptedSecret } from "../stores/encrypted-secret.ts";
import type { SecretStore } from "../stores/store.ts";
import { createSecretMaintenance, type SecretMaintenance } from "../jobs/maintenance.ts";

export interface Stores {
  readonly database: DatabaseStore;
  readonly hybrid: HybridStore;
  readonly infisical: InfisicalStore;
  readonly maintenance: SecretMaintenance;
}

/** The stores of a newly started process, with empty caches. */
export function createStores(
  { database, infisical, quotas }: Pick<Fixture, "database" | "infisical"> & { readonly quotas?: Quotas },
  catalog: Catalog = deliveryChatCatalog,
  onAlarm: RaiseAlarm = () => {},
): Stores {
  const { audit, companyKeys } = assembleBase({ database, infisical });
  const parts = { database, companyKeys, audit, onAlarm };
  const databaseStore = createDatabaseStore({ ...parts, ...(quotas && { quotas }) });
  const infisicalStore = createInfisicalStore(infisical, createOutsideWrites(parts));
  return {
    database: databaseStore,
    hybrid: createHybridStore({
      catalog,
      database: databaseStore,
      infisical: infisicalStore,
      recheckAfterMs: 300_000,
    }),
    infisical: infisicalStore,
    maintenance: createSecretMaintenance({
      ...parts,
      ownRegion: "default",
      retention: createRetention(undefined, undefined),
    }),
  };
}

/** A new company, as stores receive it. */
export async function createCompany(fixture: Fixture, secretStore: SecretStoreName): Promise<Company> {
  const subdomain = await fixture.company(secretStore);
  const { company } = await fixture.secrets.companies.resolve(
    { caller: product, action: "secret.list" },
    subdomain,
  );
  return company;
}

/** A new company of the database store with one secret, which has these values, one version after another. */
export async function companyWith(
  fixture: Fixture,
  store: SecretStore,
  secret: { readonly secretKey: string; readonly values: readonly string[] },
): Promise<Company> {
  const company = await createCompany(fixture, "database");
  for (const value of secret.values) await store.write(inScope(company), write(secret.secretKey, value, {}));
  return company;
}

/** The product in a company. */
export function inScope(company: Company): CompanyScope {
  return { caller: product, company };
}

export function write<Options extends object>(secretKey: string, value: string, options: Options) {
  return { secretKey, plaintext: Plaintext.fromText(value), lastFour: undefined, options };
}

/** `<stage> <version> <value>` of every active value. */
export async function activeOf(store: SecretStore, company: Company, secretKey: string): Promise<string[]> {
  const live = (await findActive(store, company, { secretKey })) ?? [];
  return live.map(({ stage, encrypted }) => `${stage} ${encrypted.version} ${encrypted.decryptText()}`);
}

export async function valueOf(finding: Promise<EncryptedSecret | undefined>): Promise<string | undefined> {
  return (await finding)?.decrypt().reveal();
}

const LogIn = z.object({ accessToken: z.string() });

/** Creates a secret in Infisical directly, with any name and value: our own client refuses most unusual ones. */
export async function putByHand(
  fixture: Pick<Fixture, "emulator" | "infisical">,
  subdomain: string,
  { name, value }: { readonly name: string; readonly value: string },
): Promise<void> {
  const { siteUrl, clientId, clientSecret, projectId: workspaceId } = fixture.emulator;
  const post = (path: string, body: object, token?: string) =>
    fetch(siteUrl + path, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });
  const logIn = await post("/api/v1/auth/universal-auth/login", { clientId, clientSecret });
  const { accessToken } = LogIn.parse(await logIn.json());
  const secretPath = `/tenants/${subdomain}`;
  await fixture.infisical.createFolder(secretPath);
  const body = { workspaceId, environment: "dev", secretPath, type: "shared", secretValue: value };
  const answer = await post(`/api/v3/secrets/raw/${encodeURIComponent(name)}`, body, accessToken);
  if (!answer.ok) throw new Error(`the emulator answered ${answer.status}`);
}
