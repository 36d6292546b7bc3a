import { survivesInfisical, type InfisicalClient } from "@repo/infisical";
import { checkFoundText, notFound, SecretKey, TenantSecretsError } from "@repo/catalog";
import { Plaintext } from "@repo/envelope";
import type { Company, CompanyScope } from "../../companies/companies.ts";
import { createFolderReader } from "./batched-reads.ts";
import { mapInfisicalErrors } from "./infisical-errors.ts";
import type { OutsideWrites } from "./outside-writes.ts";
import { encryptedHere } from "../encrypted-secret.ts";
import type { SecretStore, StoredDescription } from "../store.ts";

export interface InfisicalStore extends SecretStore {
  /** Whether a company's folder has a secret, whatever its value is. @throws {TenantSecretsError} what the store's servers cause */
  has(company: Company, secretKey: string): Promise<boolean>;
  /**
   * Deletes a secret in the company's folder, whichever store the company has.
   *
   * @throws {TenantSecretsError} NOT_FOUND, and what the store's servers cause
   */
  erase(scope: CompanyScope, secretKey: string): Promise<void>;
}

/** Strategy A: a folder for each company, `/tenants/<folder>`. */
export function createInfisicalStore(
  infisical: InfisicalClient,
  outsideWrites: OutsideWrites,
): InfisicalStore {
  const readValue = createFolderReader(infisical);

  const erase: InfisicalStore["erase"] = (scope, secretKey) =>
    mapInfisicalErrors(async () => {
      await outsideWrites.run(scope, { action: "secret.remove", secretKey }, async () => {
        if (!(await infisical.deleteSecret(pathOf(scope.company), secretKey))) throw notFound();
        return {};
      });
    });

  return {
    trimsValues: true,

    find: async (company, secretKey) => {
      const secret = await mapInfisicalErrors(() => readValue(pathOf(company), secretKey));
      if (secret === undefined) return undefined;
      checkFoundText(secretKey, secret.value);
      const plaintext = Plaintext.fromText(secret.value);
      try {
        return encryptedHere({ companyId: company.id, secretKey, version: secret.version }, plaintext);
      } finally {
        plaintext.wipe();
      }
    },

    list: async (company) => {
      const secrets = await mapInfisicalErrors(() => infisical.listSecretSummaries(pathOf(company)));
      return { secrets: secrets.map(describe).toSorted((a, b) => (a.secretKey < b.secretKey ? -1 : 1)) };
    },

    has: (company, secretKey) =>
      mapInfisicalErrors(async () => (await infisical.findSecret(pathOf(company), secretKey)) !== undefined),

    erase,

    write: (scope, { secretKey, plaintext }) =>
      mapInfisicalErrors(async () => {
        const value = plaintext.reveal();
        if (!survivesInfisical(value)) throw trimmed(secretKey);
        const change = { action: "secret.write", secretKey, plaintext } as const;
        const { version } = await outsideWrites.run(scope, change, async () => {
          const path = pathOf(scope.company);
          const put = await infisical.putSoleSecret(path, secretKey, value);
          return { version: put.version, ...(put.replacedTwins && { reason: "TWINS_REPLACED" as const }) };
        });
        return { version };
      }),

    remove: async (scope, { secretKey }) => {
      await erase(scope, secretKey);
      return { recoverUntil: undefined };
    },
  };
}

type Summary = Pick<StoredDescription, "secretKey" | "version" | "createdAt" | "updatedAt">;

function describe({ secretKey, version, createdAt, updatedAt }: Summary): StoredDescription {
  return {
    secretKey,
    version,
    location: "infisical",
    createdAt,
    updatedAt,
    // A name that was not written through us. It is shown, as it may pass for one of the company's secrets.
    ...(SecretKey.safeParse(secretKey).success ? {} : { usable: false }),
  };
}

function trimmed(secretKey: string): TenantSecretsError {
  return new TenantSecretsError(
    "INVALID_VALUE",
    `The value of ${secretKey} was refused: it begins or ends with white space, which Infisical cuts off. Companies on the hybrid or database store can have such a value.`,
  );
}

function pathOf(company: Company): string {
  return `/tenants/${company.infisicalFolder}`;
}
