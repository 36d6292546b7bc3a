import { TenantSecretsError } from "@repo/catalog";
import {
  deriveFromPassphrase,
  deriveMasterKey,
  expandMasterKey,
  isPassphrase,
  type MasterKey,
  newArgon2Parameters,
  sameBytes,
} from "@repo/envelope";

/** How a version becomes a key, as the registry has it. */
export interface Derivation {
  readonly derivation: "hkdf-sha256" | "argon2id";
  readonly parameters: unknown;
}

/** How a key that is not registered yet will be derived, by its form: a passphrase gets a salt of its own. */
export function derivationFor(text: string): Derivation {
  return isPassphrase(text)
    ? { derivation: "argon2id", parameters: newArgon2Parameters() }
    : { derivation: "hkdf-sha256", parameters: {} };
}

/**
 * Reads a master key as it stands in Infisical, in the way that is registered for it.
 *
 * @throws {TenantSecretsError} MASTER_KEY_MALFORMED
 */
export async function readMasterKey(
  text: string,
  { region, version }: { readonly region: string; readonly version: number },
  { derivation, parameters }: Derivation,
): Promise<MasterKey> {
  if (derivation === "hkdf-sha256") return deriveMasterKey(text, region, version);
  return expandMasterKey(await deriveFromPassphrase(text, parameters), region, version);
}

/** Whether a text is the key that is registered: one that is malformed is not. */
export async function isKeyOf(
  text: string,
  region: string,
  key: Derivation & { readonly version: number; readonly checkValue: string },
): Promise<boolean> {
  try {
    const { checkValue } = await readMasterKey(text, { region, version: key.version }, key);
    return sameBytes(checkValue, key.checkValue);
  } catch (error) {
    if (error instanceof TenantSecretsError && error.code === "MASTER_KEY_MALFORMED") return false;
    throw error;
  }
}
