import type { DatabaseStore } from "./database-store.ts";
import type { SecretStore } from "./store.ts";

/**
 * Both: the database first, and Infisical for what the database knows nothing of. Writes go to the database. A secret
 * that was removed there is removed, whatever Infisical still has.
 */
export function createHybridStore(database: DatabaseStore, infisical: SecretStore): SecretStore {
  return {
    name: "hybrid",
    capabilities: database.capabilities,

    read: async (company, secretKey) => {
      const knowledge = await database.know(company, secretKey);
      if (knowledge.state === "present") return knowledge.secret;
      if (knowledge.state === "removed") return undefined;
      const secret = await infisical.read(company, secretKey);
      // Version 0: none of the database's versions, so that `expectedVersion: 0` replaces it.
      return secret && { ...secret, version: 0 };
    },

    list: async (company) => {
      const [kept, removed, outside] = await Promise.all([
        database.list(company),
        database.removedKeys(company),
        infisical.list(company),
      ]);
      const known = new Set([...removed, ...kept.map((secret) => secret.secretKey)]);
      return [
        ...kept,
        ...outside
          .filter(({ secretKey }) => !known.has(secretKey))
          .map((secret) => ({ ...secret, version: 0 })),
      ].toSorted((a, b) => (a.secretKey < b.secretKey ? -1 : 1));
    },

    write: (company, write, caller) => database.write(company, write, caller),

    remove: async (company, secretKey, options, caller) => {
      const knowledge = await database.know(company, secretKey);
      if (knowledge.state === "present") knowledge.secret.plaintext.wipe();
      if (knowledge.state !== "unknown") return database.remove(company, secretKey, options, caller);
      const outside = await infisical.read(company, secretKey);
      outside?.plaintext.wipe();
      return outside === undefined
        ? database.remove(company, secretKey, options, caller)
        : database.buryUnknown(company, secretKey, options, caller);
    },
  };
}
