import { createHmac, randomBytes } from "node:crypto";
import { type Caller, TenantSecretsError } from "@repo/catalog";
import type { Plaintext } from "@repo/envelope";
import type { Operations } from "../../access/operation.ts";
import type { Company } from "../../companies/companies.ts";
import type { DatabaseStore } from "../../stores/database/port.ts";
import { isEncryptionOf, type EncryptedSecret } from "../../stores/encrypted-secret.ts";
import type { SecretStore } from "../../stores/store.ts";
import { bad, conflict, imported, unchanged, type Verdict } from "./outcome.ts";
import type { LegacyValue } from "./row.ts";

export interface LegacyPlaceParts {
  readonly databaseStore: DatabaseStore;
  readonly infisicalStore: SecretStore;
  readonly operations: Operations;
}

/** A company that rows can be imported into. */
export interface Destination {
  readonly company: Company;
  /** The secret keys in a hybrid company's folder in Infisical. */
  readonly outside: ReadonlySet<string>;
}

type Place = (destination: Destination, secretKey: string, value: LegacyValue) => Promise<Verdict>;

/**
 * Writes values of secrets that do not exist.
 *
 * A comparison with an existing value is audited before its result is returned: a party that can create rows could guess values
 * with it.
 */
export function createPlace(parts: LegacyPlaceParts, caller: Caller, dryRun: boolean): Place {
  const { databaseStore, infisicalStore, operations } = parts;
  const wouldBeThere = dryRun ? rememberValues() : undefined;

  const compare = async (
    company: Company,
    secretKey: string,
    { value, stored }: { readonly value: Plaintext; readonly stored: EncryptedSecret },
  ): Promise<boolean> => {
    const same = isEncryptionOf(stored, value);
    const compared = operations.steps({ caller, action: "secret.compare", company, secretKey });
    await compared.record({ version: stored.version });
    return same;
  };

  /** @returns undefined if the secret does not exist */
  const obstacle: (...at: Parameters<Place>) => Promise<Verdict | undefined> = async (
    { company, outside },
    secretKey,
    { plaintext },
  ) => {
    const known = await databaseStore.lookup(company, secretKey);
    if (known.state === "removed") return conflict("REMOVED");
    if (known.state === "present") {
      return (await compare(company, secretKey, { value: plaintext, stored: known.secret.encrypted }))
        ? unchanged
        : conflict("DIFFERENT");
    }
    if (!outside.has(secretKey)) return undefined;
    const stored = await infisicalStore.find(company, secretKey).catch(unlessUnusable);
    if (stored === "unusable") return conflict("DIFFERENT_IN_INFISICAL");
    const same = stored === undefined || (await compare(company, secretKey, { value: plaintext, stored }));
    return same ? undefined : conflict("DIFFERENT_IN_INFISICAL");
  };

  return async (destination, secretKey, value) => {
    const { company } = destination;
    const found = await obstacle(destination, secretKey, value);
    if (found !== undefined) return found;
    if (wouldBeThere !== undefined) return wouldBeThere(company, secretKey, value.plaintext);
    const written = await operations.inSteps({ caller, action: "secret.import", company, secretKey }, () =>
      databaseStore.backfill({ caller, company }, { secretKey, ...value, origin: "legacy" }),
    );
    // The secret was written or removed since it was read.
    if (written === undefined) return (await obstacle(destination, secretKey, value)) ?? bad("NOT_VERIFIED");
    const stored = await databaseStore.find(company, secretKey);
    const verified = stored?.version === written.version && isEncryptionOf(stored, value.plaintext);
    return verified ? imported : bad("NOT_VERIFIED");
  };
}

/** The values that a dry run would have written, for several rows of one secret: MACs under a random key, not plaintext. */
function rememberValues(): (company: Company, secretKey: string, value: Plaintext) => Verdict {
  const key = randomBytes(32);
  const remembered = new Map<string, string>();
  return (company, secretKey, value) => {
    const name = `${company.id}/${secretKey}`;
    const mac = createHmac("sha256", key).update(value.bytes).digest("base64");
    const earlier = remembered.get(name);
    if (earlier !== undefined) return earlier === mac ? unchanged : conflict("DIFFERENT");
    remembered.set(name, mac);
    return imported;
  };
}

/** An unusable stored value differs from every imported one. */
function unlessUnusable(error: unknown): "unusable" {
  if (error instanceof TenantSecretsError && error.code === "INVALID_VALUE") return "unusable";
  throw error;
}
