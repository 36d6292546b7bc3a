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

/** How a version's text becomes a key, as registered. */
export interface Derivation {
  readonly derivation: "hkdf-sha256" | "argon2id";
  readonly parameters: unknown;
}

/** The derivation of an unregistered key, by its form: a passphrase gets a random salt. */
export function derivationFor(text: string): Derivation {
  return isPassphrase(text)
    ? { derivation: "argon2id", parameters: newArgon2Parameters() }
    : { derivation: "hkdf-sha256", parameters: {} };
}

/**
 * Parses a master key's text from Infisical, with its registered derivation.
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

/** Whether a text is the registered key: a malformed one is not. */
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
