import {
  callsOf,
  type Caller,
  type SecretTransport,
  type VaultOperations,
  vaultOperations,
} from "@repo/catalog";
import { lacksConfirmation } from "../access/confirmation.ts";
import type { Companies, CompanyScope } from "../companies/companies.ts";
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
  const load = async (scope: CompanyScope, secretKey: string) =>
    (await vault.load(scope, { secretKey })).value;
  const resolveAndRead = async (secretKey: string) =>
    (await vault.read(await resolve("read", { secretKey }), { secretKey })).value;
  return {
    ...callsOf(vaultOperations, async (name, input) =>
      handlerOf(vault, name)(await resolve(name, input), input),
    ),
    local: {
      read: (secretKey) => {
        const now = performance.now();
        // For jobs alone: of people, `resolve` asks for a second factor and a confirmation.
        const scope = companies.resolveCached(caller, subdomain, now);
        if (scope === undefined) return resolveAndRead(secretKey);
        const cached = vault.readCached(scope, secretKey, now);
        return cached === undefined ? load(scope, secretKey) : cached.value;
      },
      open: async (secretKey, canary) =>
        vault.open(await resolve("read", { secretKey }), { secretKey, canary }),
      openActive: async (secretKey) =>
        vault.openActive(await resolve("readActive", { secretKey }), secretKey),
    },
  };
}
