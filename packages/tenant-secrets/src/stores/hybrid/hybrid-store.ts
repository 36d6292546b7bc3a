import { type Catalog, notFound, TenantSecretsError } from "@repo/catalog";
import type { Company } from "../../companies/companies.ts";
import { createAdoption, soon, type AdoptOptions, type AdoptionMeasurements } from "./backfill.ts";
import type { DatabaseStore } from "../database/port.ts";
import type { SealedSecret } from "../encrypted-secret.ts";
import type { InfisicalStore } from "../infisical/infisical-store.ts";
import type { SecretStore, StoredDescription } from "../store.ts";

export interface HybridStore extends SecretStore {
  measure(): AdoptionMeasurements;
}

/**
 * Both: the database first, and Infisical for what the database knows nothing of, which is then copied into it. Writes go
 * to the database. A secret that was removed there is removed, whatever Infisical still has.
 *
 * @param freshMs how old a copy may become before Infisical is asked again, in milliseconds
 */
export function createHybridStore(
  catalog: Catalog,
  database: DatabaseStore,
  infisical: InfisicalStore,
  freshMs: number,
): HybridStore {
  const adoption = createAdoption(catalog, database, infisical, freshMs);

  /** What is still only outside, now in the database where it may be; else of version 0. */
  const takeIn = async (
    company: Company,
    secretKey: string,
    options?: AdoptOptions,
  ): Promise<SealedSecret | undefined> => {
    const outside = await infisical.find(company, secretKey);
    return outside && adoption.adopt(company, secretKey, outside, options);
  };

  const find: SecretStore["find"] = async (company, secretKey) => {
    const knowledge = await database.know(company, secretKey);
    if (knowledge.state === "removed") return undefined;
    if (knowledge.state === "present") {
      const { sealed, origin } = knowledge.secret;
      return origin === "infisical" ? adoption.refresh(company, secretKey, sealed) : sealed;
    }
    return takeIn(company, secretKey);
  };

  /** What the database does with a secret that it knows, or gets to know. */
  const known = async <T>(company: Company, secretKey: string, work: () => Promise<T>): Promise<T> => {
    const { state } = await database.look(company, secretKey);
    if (state !== "unknown" || (await takeIn(company, secretKey, { waits: true }))?.version !== 0)
      return work();
    throw new TenantSecretsError(
      "NOT_SUPPORTED",
      "This secret is still only in Infisical, which cannot do this. Copy it into the database first, by writing it.",
    );
  };

  /** Infisical first: what moves into the database meanwhile is then in both, and shown once. */
  const survey = async (
    company: Company,
  ): Promise<{ readonly secrets: readonly StoredDescription[]; readonly failure?: TenantSecretsError }> => {
    let outside: readonly StoredDescription[] = [];
    let failure: TenantSecretsError | undefined;
    try {
      outside = await infisical.list(company);
    } catch (error) {
      if (!(error instanceof TenantSecretsError)) throw error;
      failure = error;
    }
    const { live, removed } = await database.survey(company);
    const knownKeys = new Set([...removed, ...live.map((secret) => secret.secretKey)]);
    const secrets = [
      ...live,
      ...outside
        .filter(({ secretKey }) => !knownKeys.has(secretKey))
        .map((secret) => ({ ...secret, version: 0 })),
    ].toSorted((a, b) => (a.secretKey < b.secretKey ? -1 : 1));
    return failure === undefined ? { secrets } : { secrets, failure };
  };

  return {
    name: "hybrid",
    capabilities: database.capabilities,
    measure: () => adoption.measure(),

    find,

    findLive: async (company, secretKey, { isRefused = false } = {}) => {
      if (isRefused) adoption.doubt(company, secretKey);
      const current = await find(company, secretKey);
      if (current === undefined) return undefined;
      if (current.version === 0) return [{ stage: "current", sealed: current }];
      const live = await database.findLive(company, secretKey);
      if (live === undefined || current.keepMs === undefined) return live;
      const [{ sealed, ...first }, ...others] = live;
      // As long as what was found out about Infisical's value holds.
      return [{ ...first, sealed: { ...sealed, keepMs: current.keepMs } }, ...others];
    },

    list: async (company) => {
      const { secrets, failure } = await survey(company);
      if (failure !== undefined) throw failure;
      return secrets;
    },

    listReachable: async (company) => {
      const { secrets, failure } = await survey(company);
      return failure === undefined ? { secrets } : { secrets, missing: "infisical" };
    },

    write: (company, write, caller) => database.write(company, write, caller),
    writeMany: (company, writes, options, caller) => database.writeMany(company, writes, options, caller),

    remove: async (company, secretKey, { inInfisical = false, ...options }, caller) => {
      const { state } = await database.look(company, secretKey);
      if (state === "removed" && inInfisical && (await infisical.has(company, secretKey))) {
        await infisical.erase(company, secretKey, caller);
        return { leftInInfisical: false };
      }
      if (state === "unknown" && !(await infisical.has(company, secretKey))) throw notFound();
      const removed =
        state === "unknown"
          ? await database.bury(company, secretKey, options, caller)
          : await database.remove(company, secretKey, options, caller);
      if (!inInfisical) {
        const isLeft =
          state === "unknown" || (await soon(infisical.has(company, secretKey)).catch(() => undefined));
        return { ...removed, leftInInfisical: isLeft };
      }
      if (await infisical.has(company, secretKey)) await infisical.erase(company, secretKey, caller);
      return { ...removed, leftInInfisical: false };
    },

    restore: (company, secretKey, options, caller) => database.restore(company, secretKey, options, caller),

    history: (company, secretKey, options) =>
      known(company, secretKey, () => database.history(company, secretKey, options)),
    stage: (company, write, caller) =>
      known(company, write.secretKey, () => database.stage(company, write, caller)),
    promote: (company, secretKey, options, caller) =>
      known(company, secretKey, () => database.promote(company, secretKey, options, caller)),
    discard: (company, secretKey, options, caller) =>
      known(company, secretKey, () => database.discard(company, secretKey, options, caller)),
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
