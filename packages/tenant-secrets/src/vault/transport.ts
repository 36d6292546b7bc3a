import {
  callsOf,
  type Caller,
  type SecretTransport,
  type VaultOperations,
  vaultOperations,
} from "@repo/catalog";
import { lacksConfirmation } from "../access/confirmation.ts";
import type { Companies } from "../companies/companies.ts";
import { handlerOf, resolveFor } from "./authorize.ts";
import type { Vault } from "./vault.ts";

/** One caller's access to the vault in one company, which is resolved again for each call. */
export function vaultTransport(
  { vault, companies }: { readonly vault: Vault; readonly companies: Companies },
  caller: Caller,
  subdomain: string,
): SecretTransport {
  const resolve = (name: keyof VaultOperations, input: object) => {
    const operation = vaultOperations[name];
    const confirmationDue = "stepUp" in operation && lacksConfirmation(caller);
    const asked = confirmationDue ? { ...caller, confirmationDue } : caller;
    return resolveFor(companies, { caller: asked, operation, company: subdomain, input });
  };
  return {
    ...callsOf(vaultOperations, async (name, input) =>
      handlerOf(vault, name)(await resolve(name, input), input),
    ),
    local: {
      readCached: (secretKey) => {
        const now = performance.now();
        const scope = companies.resolveCached(caller, subdomain, now);
        return scope && vault.readCached(scope, secretKey, now)?.value;
      },
      open: async (secretKey, canary) =>
        vault.open(await resolve("read", { secretKey }), { secretKey, canary }),
      openActive: async (secretKey) =>
        vault.openActive(await resolve("readActive", { secretKey }), secretKey),
    },
  };
}
