import { type Caller, type Catalog, companySecrets, systemCaller, TenantSecretsError } from "@repo/catalog";
import type { Companies } from "../companies/companies.ts";
import { vaultTransport } from "../vault/transport.ts";
import type { Vault } from "../vault/vault.ts";
import type { Assembly, CompanySecretsOnServer } from "./assembly.ts";

/** Per caller. A handle is made before its subdomain is resolved, so that names that do not exist count too. */
const maxHandles = 10_000;

interface HandleParts<C extends Catalog> {
  readonly catalog: C;
  readonly vault: Vault;
  readonly companies: Companies;
}

/** The secrets of a company, for code in this process. */
export function createCompanyHandles<C extends Catalog>({
  catalog,
  vault,
  companies,
}: HandleParts<C>): Pick<Assembly<C>, "company" | "getTenantSecret" | "setTenantSecret"> {
  // Handles have no state, and making one takes longer than most reads.
  const handles = new WeakMap<Caller, Map<string, CompanySecretsOnServer<C>>>();
  const makeHandle = (subdomain: string, as: Caller): CompanySecretsOnServer<C> => ({
    ...companySecrets(catalog, vaultTransport({ vault, companies }, as, subdomain)),
    verifyWebhook: async (secretKey, request) => {
      const scope = await companies.resolve({ caller: as, action: "secret.read", secretKey }, subdomain);
      return vault.verifyWebhook(scope, { secretKey, request });
    },
  });
  const product = systemCaller("in-process", { verbs: ["use", "write"], secretKeys: ["*"] });

  return {
    company: (subdomain, as) => {
      const known = handles.get(as)?.get(subdomain);
      if (known !== undefined) return known;
      const handle = makeHandle(subdomain, as);
      const ofCaller = handles.get(as) ?? new Map<string, CompanySecretsOnServer<C>>();
      if (ofCaller.size >= maxHandles) ofCaller.clear();
      handles.set(as, ofCaller.set(subdomain, handle));
      return handle;
    },
    getTenantSecret: async (subdomain, secretKey) => {
      try {
        const read = { caller: product, action: "secret.read", secretKey } as const;
        return (await vault.read(await companies.resolve(read, subdomain), { secretKey })).value;
      } catch (error) {
        if (error instanceof TenantSecretsError && error.code === "NOT_FOUND") return undefined;
        throw error;
      }
    },
    setTenantSecret: async (subdomain, secretKey, value) => {
      const write = { caller: product, action: "secret.write", secretKey } as const;
      return vault.write(await companies.resolve(write, subdomain), { secretKey, value });
    },
  };
}
