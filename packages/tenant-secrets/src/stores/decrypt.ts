import { isStoreUnavailable } from "@repo/audit-log";
import { batchError, refusalOf, type Refusal } from "./batch.ts";
import type { EncryptedSecret } from "./encrypted-secret.ts";
import type { ActiveVersions, StoredSecret } from "./store.ts";

export type FindSecret = (secretKey: string) => Promise<EncryptedSecret | undefined>;

/** @returns the value, which the caller wipes; undefined where there is none */
export function decryptSecret(encrypted: EncryptedSecret | undefined): StoredSecret | undefined {
  return encrypted && openFound(encrypted);
}

/**
 * Decrypts the versions that are still active.
 *
 * @returns the values, which the caller wipes
 * @throws {TenantSecretsError} INTEGRITY_FAILURE where one of them does not decrypt; the others are wiped then
 */
export function decryptActive(secrets: ActiveVersions | undefined): StoredSecret[] {
  const now = performance.now();
  const opened: StoredSecret[] = [];
  try {
    for (const { encrypted, until = Infinity } of secrets ?? []) {
      if (now < until) opened.push(openFound(encrypted));
    }
    return opened;
  } catch (error) {
    for (const { plaintext } of opened) plaintext.wipe();
    throw error;
  }
}

/**
 * Finds and decrypts several secrets, all at once.
 *
 * @param onUnusable called for each secret whose text in Infisical can be no value; it is left out
 * @returns the secrets that exist, by secret key; the caller wipes them
 * @throws {TenantSecretsError} with `failures` for those that do not decrypt, and what `find` throws where a store is
 *   unavailable; no value is returned then
 */
export async function decryptEach(
  secretKeys: readonly string[],
  find: FindSecret,
  onUnusable: (secretKey: string) => void = () => {},
): Promise<Map<string, StoredSecret>> {
  const opened = new Map<string, StoredSecret>();
  const refusals: Refusal[] = [];
  const results = await Promise.allSettled(secretKeys.map(find));
  try {
    for (const [i, secretKey] of secretKeys.entries()) {
      const refused = refusalOf(secretKey, () => {
        const secret = decryptSecret(foundOf(results[i]));
        if (secret !== undefined) opened.set(secretKey, secret);
      });
      for (const refusal of refused) {
        // An outage is not a fault of the secret.
        if (isStoreUnavailable(refusal.error)) throw refusal.error;
        if (refusal.error.code === "INVALID_VALUE") onUnusable(secretKey);
        else refusals.push(refusal);
      }
    }
    const [first, ...others] = refusals;
    if (first !== undefined) throw batchError([first, ...others]);
    return opened;
  } catch (error) {
    for (const { plaintext } of opened.values()) plaintext.wipe();
    throw error;
  }
}

function openFound(encrypted: EncryptedSecret): StoredSecret {
  const { version, expiresAtMs, copiedFrom } = encrypted;
  return { plaintext: encrypted.decrypt(), version, expiresAtMs, copiedFrom };
}

function foundOf(
  result: PromiseSettledResult<EncryptedSecret | undefined> | undefined,
): EncryptedSecret | undefined {
  if (result?.status === "rejected") throw result.reason;
  return result?.value;
}
