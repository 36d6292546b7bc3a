import type { Caller, SecretTransport } from "@repo/catalog";
import type { Vault } from "./vault.ts";

/** The vault as one caller has it of one company. */
export function vaultTransport(vault: Vault, as: Caller, subdomain: string): SecretTransport {
  return {
    readNow: (secretKey) => vault.readNow(as, subdomain, secretKey)?.text,
    read: async (secretKey) => (await vault.read(as, subdomain, secretKey)).text,
    readMany: async (secretKeys) => {
      const found = await vault.readMany(as, subdomain, secretKeys);
      return found.map(({ secretKey, text }) => ({ secretKey, value: text }));
    },
    open: (secretKey) => vault.open(as, subdomain, secretKey),
    openLive: (secretKey) => vault.openLive(as, subdomain, secretKey),
    reportOutcome: (...report) => vault.reportOutcome(as, subdomain, ...report),
    write: (...write) => vault.write(as, subdomain, ...write),
    writeMany: (...batch) => vault.writeMany(as, subdomain, ...batch),
    list: (options) => vault.list(as, subdomain, options),
    capabilities: () => vault.capabilities(as, subdomain),
    history: (...page) => vault.history(as, subdomain, ...page),
    stage: (...write) => vault.stage(as, subdomain, ...write),
    promote: (...promotion) => vault.promote(as, subdomain, ...promotion),
    discard: (...discard) => vault.discard(as, subdomain, ...discard),
    rollback: (...rollback) => vault.rollback(as, subdomain, ...rollback),
    setExpiry: (...expiry) => vault.setExpiry(as, subdomain, ...expiry),
    remove: (...removal) => vault.remove(as, subdomain, ...removal),
    restore: (...restoration) => vault.restore(as, subdomain, ...restoration),
    purge: (...purge) => vault.purge(as, subdomain, ...purge),
  };
}
