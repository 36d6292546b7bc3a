import type { Company } from "../companies/companies.ts";
import { notFound, TenantSecretsError } from "../vocabulary/errors.ts";
import type { DatabaseStore } from "./database-store.ts";
import { readEach } from "./batch.ts";
import type { SecretStore } from "./store.ts";

/**
 * Both: the database first, and Infisical for what the database knows nothing of. Writes go to the database. A secret
 * that was removed there is removed, whatever Infisical still has.
 */
export function createHybridStore(database: DatabaseStore, infisical: SecretStore): SecretStore {
  const isOutside = async (company: Company, secretKey: string): Promise<boolean> => {
    const outside = await infisical.read(company, secretKey);
    outside?.plaintext.wipe();
    return outside !== undefined;
  };

  /** What the database does with a secret that it knows. */
  const known = async <T>(company: Company, secretKey: string, work: () => Promise<T>): Promise<T> => {
    const { state } = await database.look(company, secretKey);
    if (state !== "unknown" || !(await isOutside(company, secretKey))) return work();
    throw new TenantSecretsError(
      "NOT_SUPPORTED",
      "This secret is still only in Infisical, which cannot do this. Copy it into the database first, by writing it.",
    );
  };

  const read: SecretStore["read"] = async (company, secretKey) => {
    const knowledge = await database.know(company, secretKey);
    if (knowledge.state === "present") return knowledge.secret;
    if (knowledge.state === "removed") return undefined;
    const secret = await infisical.read(company, secretKey);
    // Version 0: none of the database's versions, so that `expectedVersion: 0` replaces it.
    return secret && { ...secret, version: 0 };
  };

  return {
    name: "hybrid",
    capabilities: database.capabilities,

    read,

    readMany: async (company, secretKeys) => {
      const found = await database.readMany(company, secretKeys);
      return readEach(secretKeys, async (secretKey) => found.get(secretKey) ?? read(company, secretKey));
    },

    readLive: async (company, secretKey) => {
      const live = await database.readLive(company, secretKey);
      if (live.length > 0 || (await database.look(company, secretKey)).state !== "unknown") return live;
      return (await infisical.readLive(company, secretKey)).map((secret) => ({ ...secret, version: 0 }));
    },

    list: async (company) => {
      // Infisical first: what moves into the database meanwhile is then in both, and shown once.
      const outside = await infisical.list(company);
      const { live, removed } = await database.survey(company);
      const knownKeys = new Set([...removed, ...live.map((secret) => secret.secretKey)]);
      return [
        ...live,
        ...outside
          .filter(({ secretKey }) => !knownKeys.has(secretKey))
          .map((secret) => ({ ...secret, version: 0 })),
      ].toSorted((a, b) => (a.secretKey < b.secretKey ? -1 : 1));
    },

    write: (company, write, caller) => database.write(company, write, caller),
    writeMany: (company, writes, options, caller) => database.writeMany(company, writes, options, caller),

    remove: async (company, secretKey, options, caller) => {
      const { state } = await database.look(company, secretKey);
      if (state !== "unknown") return database.remove(company, secretKey, options, caller);
      if (!(await isOutside(company, secretKey))) throw notFound();
      return database.bury(company, secretKey, options, caller);
    },

    restore: (company, secretKey, caller) => database.restore(company, secretKey, caller),

    history: (company, secretKey, options) =>
      known(company, secretKey, () => database.history(company, secretKey, options)),
    stage: (company, write, caller) =>
      known(company, write.secretKey, () => database.stage(company, write, caller)),
    promote: (company, secretKey, options, caller) =>
      known(company, secretKey, () => database.promote(company, secretKey, options, caller)),
    discard: (company, secretKey, caller) =>
      known(company, secretKey, () => database.discard(company, secretKey, caller)),
    rollback: (company, secretKey, options, caller) =>
      known(company, secretKey, () => database.rollback(company, secretKey, options, caller)),
    purge: (company, secretKey, options, caller) =>
      known(company, secretKey, () => database.purge(company, secretKey, options, caller)),
    setExpiry: (company, secretKey, expiry, caller) =>
      known(company, secretKey, () => database.setExpiry(company, secretKey, expiry, caller)),
    keepCheck: (company, secretKey, version, result, caller) =>
      known(company, secretKey, () => database.keepCheck(company, secretKey, version, result, caller)),
    noteUse: (company, secretKey) => database.noteUse(company, secretKey),
  };
}
