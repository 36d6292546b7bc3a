import type { AuditAction } from "@repo/audit-log";
import type { Caller, SecretTransport } from "@repo/catalog";
import type { Companies, CompanyScope } from "../companies/companies.ts";
import type { Vault } from "./vault.ts";

/** The vault as one caller has it of one company, which is resolved for each call. */
export function vaultTransport(
  { vault, companies }: { readonly vault: Vault; readonly companies: Companies },
  caller: Caller,
  subdomain: string,
): SecretTransport {
  const scope = (action: AuditAction, secretKey?: string): Promise<CompanyScope> =>
    companies.resolve({ caller, action, secretKey }, subdomain);
  return {
    readCached: (secretKey) => {
      const now = performance.now();
      const cached = companies.resolveCached(caller, subdomain, now);
      return cached && vault.readCached(cached, secretKey, now)?.text;
    },
    read: async (secretKey) => (await vault.read(await scope("secret.read", secretKey), secretKey)).text,
    readMany: async (secretKeys) => {
      const found = await vault.readMany(await scope("secret.read"), secretKeys);
      return found.map(({ secretKey, text }) => ({ secretKey, value: text }));
    },
    writeMany: async (...batch) => vault.writeMany(await scope("secret.write"), ...batch),
    list: async (options) => vault.list(await scope("secret.list"), options),
    capabilities: async () => vault.capabilities(await scope("secret.list")),
    open: async (secretKey, ...rest) => vault.open(await scope("secret.read", secretKey), secretKey, ...rest),
    readActive: async (secretKey, ...rest) =>
      vault.readActive(await scope("secret.read", secretKey), secretKey, ...rest),
    reportOutcome: async (secretKey, ...rest) =>
      vault.reportOutcome(await scope("secret.check", secretKey), secretKey, ...rest),
    write: async (secretKey, ...rest) =>
      vault.write(await scope("secret.write", secretKey), secretKey, ...rest),
    history: async (secretKey, ...rest) =>
      vault.history(await scope("secret.history", secretKey), secretKey, ...rest),
    stage: async (secretKey, ...rest) =>
      vault.stage(await scope("secret.stage", secretKey), secretKey, ...rest),
    promote: async (secretKey, ...rest) =>
      vault.promote(await scope("secret.promote", secretKey), secretKey, ...rest),
    discard: async (secretKey, ...rest) =>
      vault.discard(await scope("secret.discard", secretKey), secretKey, ...rest),
    rollback: async (secretKey, ...rest) =>
      vault.rollback(await scope("secret.rollback", secretKey), secretKey, ...rest),
    setExpiry: async (secretKey, ...rest) =>
      vault.setExpiry(await scope("secret.set-expiry", secretKey), secretKey, ...rest),
    remove: async (secretKey, ...rest) =>
      vault.remove(await scope("secret.remove", secretKey), secretKey, ...rest),
    restore: async (secretKey, ...rest) =>
      vault.restore(await scope("secret.restore", secretKey), secretKey, ...rest),
    purge: async (secretKey, ...rest) =>
      vault.purge(await scope("secret.purge", secretKey), secretKey, ...rest),
  };
}
