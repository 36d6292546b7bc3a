import type { Company } from "../companies/companies.ts";
import { aroundStore, isScope, secretKeysOf } from "./operations.ts";
import type { SecretStore } from "./store.ts";

/**
 * A store that invalidates what is cached of a secret after every change of it, before the caller learns how the change ended:
 * also after one that failed, which may have been made all the same. Other secrets stay cached: in an outage they may be all
 * that can be served.
 */
export function invalidating(
  store: SecretStore,
  invalidate: (company: Company, secretKeys: readonly string[]) => Promise<void>,
): SecretStore {
  const withInvalidation = aroundStore(store, async (subject, about, proceed) => {
    if (!isScope(subject)) return proceed();
    try {
      return await proceed();
    } finally {
      await invalidate(subject.company, secretKeysOf(about));
    }
  });
  // What a provider said of a version changes no value.
  return { ...withInvalidation, checks: store.checks };
}
