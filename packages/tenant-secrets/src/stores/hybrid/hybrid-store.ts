import { notFound, TenantSecretsError } from "@repo/catalog";
import type { Company } from "../../companies/companies.ts";
import {
  createAdoption,
  soon,
  type AdoptOptions,
  type AdoptionMeasurements,
  type AdoptionParts,
} from "./backfill.ts";
import type { DatabaseStore } from "../database/port.ts";
import type { InfisicalStore } from "../infisical/infisical-store.ts";
import { aroundEach, companyOf, secretKeysOf } from "../operations.ts";
import type { SealedSecret } from "../encrypted-secret.ts";
import type { FullStore, SecretStore, StoredDescription, StoredList } from "../store.ts";

export interface HybridStore extends FullStore {
  measure(): AdoptionMeasurements;
}

export interface HybridParts extends AdoptionParts {
  readonly database: DatabaseStore;
  readonly infisical: InfisicalStore;
}

/**
 * Both: the database first, and Infisical for the secrets that the database does not know, which are then copied into it.
 * Writes go to the database. A secret that was removed there is removed, whatever Infisical still has.
 */
export function createHybridStore(parts: HybridParts): HybridStore {
  const { database, infisical } = parts;
  const adoption = createAdoption(parts);

  /** Copies a secret that only Infisical has. Where it may not be copied, it has version 0. */
  const takeIn = async (
    company: Company,
    secretKey: string,
    options?: AdoptOptions,
  ): Promise<SealedSecret | undefined> => {
    const outside = await infisical.find(company, secretKey);
    return outside && adoption.adopt(company, outside, { ...options, secretKey });
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

  /** Operations of the database, each after a copy of the secret that only Infisical has. */
  const afterTakingIn = <Operations extends object>(operations: Operations): Operations =>
    aroundEach(operations, async (subject, about, proceed) => {
      const company = companyOf(subject);
      for (const secretKey of secretKeysOf(about)) {
        const { state } = await database.look(company, secretKey);
        if (state !== "unknown") continue;
        const found = await takeIn(company, secretKey, { waits: true });
        if (found?.version === 0) throw onlyInInfisical();
      }
      return proceed();
    });

  return {
    measure: () => adoption.measure(),
    find,

    /** Infisical first: a secret that is copied meanwhile is then in both lists, and shown once. */
    list: async (company) => {
      const outside = await infisical.list(company).catch(unreachable);
      const { live, removed } = await database.survey(company);
      const known = new Set([...removed, ...live.map(({ secretKey }) => secretKey)]);
      const onlyOutside = outside.secrets
        .filter(({ secretKey }) => !known.has(secretKey))
        .map((secret): StoredDescription => ({ ...secret, version: 0 }));
      const secrets = [...live, ...onlyOutside].toSorted((a, b) => (a.secretKey < b.secretKey ? -1 : 1));
      return { ...outside, secrets };
    },

    write: (...change) => database.write(...change),

    remove: async (scope, removal) => {
      const { company } = scope;
      const { secretKey, inInfisical = false, ...options } = removal;
      const of = { ...options, secretKey };
      const { state } = await database.look(company, secretKey);
      if (state === "removed" && inInfisical && (await infisical.has(company, secretKey))) {
        await infisical.erase(scope, secretKey);
        return { leftInInfisical: false };
      }
      if (state === "unknown" && !(await infisical.has(company, secretKey))) throw notFound();
      const removed = await (state === "unknown" ? database.bury(scope, of) : database.remove(scope, of));
      if (!inInfisical) {
        const isLeft =
          state === "unknown" || (await soon(infisical.has(company, secretKey)).catch(() => undefined));
        return { ...removed, leftInInfisical: isLeft };
      }
      if (await infisical.has(company, secretKey)) await infisical.erase(scope, secretKey);
      return { ...removed, leftInInfisical: false };
    },

    versions: {
      ...afterTakingIn(database.versions),

      findLive: async (company, secret) => {
        const { secretKey, isRefused = false } = secret;
        if (isRefused) adoption.doubt(company, secretKey);
        const current = await find(company, secretKey);
        if (current === undefined) return undefined;
        if (current.version === 0) return [{ stage: "current", sealed: current }];
        const live = await database.versions.findLive(company, secret);
        if (live === undefined || current.keepMs === undefined) return live;
        const [{ sealed, ...first }, ...others] = live;
        // For as long as the last answer of Infisical holds.
        return [{ ...first, sealed: { ...sealed, keepMs: current.keepMs } }, ...others];
      },

      // A removed secret is known, so that Infisical need not be asked.
      restore: (...change) => database.versions.restore(...change),
    },
    batches: database.batches,
    checks: afterTakingIn(database.checks),
    noteUse: database.noteUse,
  };
}

function unreachable(error: unknown): StoredList {
  if (error instanceof TenantSecretsError) return { secrets: [], unreachable: error };
  throw error;
}

function onlyInInfisical(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    "This secret is still only in Infisical, which cannot do this. Copy it into the database first, by writing it.",
  );
}
