import { TRPCError } from "@trpc/server";
import { type Catalog, type CompanySecrets, companySecrets, openValueOf } from "@repo/catalog";
import type { CompanyScope } from "../companies/companies.ts";
import type { Services } from "../product-services.ts";
import { createCaller } from "./router.ts";
import { createScopeContext, publicError } from "./trpc.ts";

/**
 * One company's secrets for server code that has checked a request: every call is a procedure call, in process, with the same
 * checks, errors and events as over HTTP.
 *
 * @param scope of this request, from `companies.resolve`; it is not resolved again for each call
 */
export function serverCaller<C extends Catalog>(
  secrets: Services & { readonly catalog: C },
  scope: CompanyScope,
): CompanySecrets<C> {
  const { secrets: call } = createCaller(createScopeContext(secrets, scope));
  const company = scope.company.subdomain;
  return companySecrets(secrets.catalog, {
    read: async (secretKey) => (await unwrapped(() => call.read({ company, secretKey }))).value,
    readMany: (secretKeys) => unwrapped(() => call.readMany({ company, secretKeys: [...secretKeys] })),
    open: async (secretKey) => openValueOf(await unwrapped(() => call.read({ company, secretKey }))),
    readActive: async (secretKey) =>
      (await unwrapped(() => call.readActive({ company, secretKey }))).map(openValueOf),
    reportOutcome: (secretKey, version, result) =>
      unwrapped(() => call.reportOutcome({ company, secretKey, version, result })),
    write: (secretKey, value, options) =>
      unwrapped(() => call.write({ company, secretKey, value, ...options })),
    writeMany: (writes, options) =>
      unwrapped(() => call.writeMany({ company, writes: [...writes], ...options })),
    list: (options) => unwrapped(() => call.list({ company, ...options })),
    capabilities: () => unwrapped(() => call.capabilities({ company })),
    history: (secretKey, page) => unwrapped(() => call.history({ company, secretKey, ...page })),
    stage: (secretKey, value, options) =>
      unwrapped(() => call.stage({ company, secretKey, value, ...options })),
    promote: (secretKey, options) => unwrapped(() => call.promote({ company, secretKey, ...options })),
    discard: (secretKey, options) => unwrapped(() => call.discard({ company, secretKey, ...options })),
    rollback: (secretKey, options) => unwrapped(() => call.rollback({ company, secretKey, ...options })),
    setExpiry: (secretKey, expiry) => unwrapped(() => call.setExpiry({ company, secretKey, ...expiry })),
    remove: (secretKey, options) => unwrapped(() => call.remove({ company, secretKey, ...options })),
    restore: (secretKey, options) => unwrapped(() => call.restore({ company, secretKey, ...options })),
    purge: (secretKey, options) => unwrapped(() => call.purge({ company, secretKey, ...options })),
  });
}

async function unwrapped<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof TRPCError ? publicError(error) : error;
  }
}
