import { notFound } from "../vocabulary/errors.ts";
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
      // Infisical first: what moves into the database meanwhile is then in both, and shown once.
      const outside = await infisical.list(company);
      const { live, removed } = await database.survey(company);
      const known = new Set([...removed, ...live.map((secret) => secret.secretKey)]);
      return [
        ...live,
        ...outside
          .filter(({ secretKey }) => !known.has(secretKey))
          .map((secret) => ({ ...secret, version: 0 })),
      ].toSorted((a, b) => (a.secretKey < b.secretKey ? -1 : 1));
    },

    write: (company, write, caller) => database.write(company, write, caller),

    remove: async (company, secretKey, options, caller) => {
      const { state } = await database.look(company, secretKey);
      if (state !== "unknown") return database.remove(company, secretKey, options, caller);
      const outside = await infisical.read(company, secretKey);
      if (outside === undefined) throw notFound();
      outside.plaintext.wipe();
      return database.bury(company, secretKey, options, caller);
    },

    restore: (company, secretKey, caller) => database.restore(company, secretKey, caller),
  };
}
