import { isStoreAway } from "../access/database-errors.ts";
import { batchError, refusalOf, type Refusal } from "./batch.ts";
import type { SealedSecret } from "./sealed-secret.ts";
import type { StoredSecret } from "./store.ts";

export type FindSecret = (secretKey: string) => Promise<SealedSecret | undefined>;

/** @returns the value, which the caller wipes; undefined where there is none */
export function openSecret(sealed: SealedSecret | undefined): StoredSecret | undefined {
  return sealed && { plaintext: sealed.open(), version: sealed.version };
}

/**
 * Finds and opens several secrets, all at once.
 *
 * @returns those that are there, by secret key; the caller wipes them
 * @throws {TenantSecretsError} with `failures` for those that do not open, and what `find` throws where a store is away;
 *   then none is answered
 */
export async function openEach(
  secretKeys: readonly string[],
  find: FindSecret,
): Promise<Map<string, StoredSecret>> {
  const opened = new Map<string, StoredSecret>();
  const refusals: Refusal[] = [];
  const results = await Promise.allSettled(secretKeys.map(find));
  try {
    for (const [i, secretKey] of secretKeys.entries()) {
      const refused = refusalOf(secretKey, () => {
        const secret = openSecret(foundOf(results[i]));
        if (secret !== undefined) opened.set(secretKey, secret);
      });
      for (const refusal of refused) {
        // Then it is not the secret that something is wrong with.
        if (isStoreAway(refusal.error)) throw refusal.error;
        refusals.push(refusal);
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

function foundOf(
  result: PromiseSettledResult<SealedSecret | undefined> | undefined,
): SealedSecret | undefined {
  if (result?.status === "rejected") throw result.reason;
  return result?.value;
}
