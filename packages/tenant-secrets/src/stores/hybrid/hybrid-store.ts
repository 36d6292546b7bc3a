import { notFound, TenantSecretsError } from "@repo/catalog";
import type { Company } from "../../companies/companies.ts";
import {
  createBackfill,
  withTimeout,
  type BackfillOptions,
  type BackfillMeasurements,
  type BackfillParts,
} from "./backfill.ts";
import type { DatabaseStore, Lookup } from "../database/port.ts";
import type { InfisicalStore } from "../infisical/infisical-store.ts";
import { aroundEach, companyOf, secretKeysOf } from "../operations.ts";
import type { EncryptedSecret } from "../encrypted-secret.ts";
import type { FullStore, SecretStore, StoredDescription, StoredList } from "../store.ts";

export interface HybridStore extends FullStore {
  measure(): BackfillMeasurements;
}

export interface HybridParts extends BackfillParts {
  readonly database: DatabaseStore;
  readonly infisical: InfisicalStore;
}

/**
 * Both: the database first, and Infisical for the secrets that the database does not know, which are then copied into it.
 * Writes go to the database. A secret that was removed there is removed, whatever Infisical still has.
 */
export function createHybridStore(parts: HybridParts): HybridStore {
  const { database, infisical } = parts;
  const backfill = createBackfill(parts);

  /** Copies a secret that only Infisical has. If it may not be copied, its version is 0. */
  const backfillFromInfisical = async (
    company: Company,
    secretKey: string,
    options?: BackfillOptions,
  ): Promise<EncryptedSecret | undefined> => {
    const outside = await infisical.find(company, secretKey);
    return outside && backfill.backfill(company, outside, { ...options, secretKey });
  };

  const find: SecretStore["find"] = async (company, secretKey) => {
    const knowledge = await database.lookup(company, secretKey);
    if (stateOf(knowledge) === "removed") return undefined;
    if (knowledge.state === "present") {
      const { encrypted, origin } = knowledge.secret;
      return origin === "infisical" ? backfill.refresh(company, secretKey, encrypted) : encrypted;
    }
    return backfillFromInfisical(company, secretKey);
  };

  /** Operations of the database, each after a copy of the secret that only Infisical has. */
  const afterBackfill = <Operations extends object>(operations: Operations): Operations =>
    aroundEach(operations, async (subject, about, proceed) => {
      const company = companyOf(subject);
      for (const secretKey of secretKeysOf(about)) {
        if (stateOf(await database.findHead(company, secretKey)) !== "unknown") continue;
        const found = await backfillFromInfisical(company, secretKey, { waits: true });
        if (found?.version === 0) throw onlyInInfisical();
      }
      return proceed();
    });

  return {
    measure: () => backfill.measure(),
    find,

    /** Infisical first: a secret that is copied meanwhile is then in both lists, and shown once. */
    list: async (company) => {
      const outside = await infisical.list(company).catch(unreachable);
      const { present, removed } = await database.listWithTombstones(company);
      const known = new Set([...removed, ...present.map(({ secretKey }) => secretKey)]);
      const onlyOutside = outside.secrets
        .filter(({ secretKey }) => !known.has(secretKey))
        .map((secret): StoredDescription => ({ ...secret, version: 0 }));
      const secrets = [...present, ...onlyOutside].toSorted((a, b) => (a.secretKey < b.secretKey ? -1 : 1));
      return { ...outside, secrets };
    },

    write: (...change) => database.write(...change),

    remove: async (scope, removal) => {
      const { company } = scope;
      const { secretKey, inInfisical = false, ...options } = removal;
      const of = { ...options, secretKey };
      const state = stateOf(await database.findHead(company, secretKey));
      if (state === "removed" && inInfisical && (await infisical.has(company, secretKey))) {
        await infisical.erase(scope, secretKey);
        return { leftInInfisical: false };
      }
      if (state === "unknown" && !(await infisical.has(company, secretKey))) throw notFound();
      const removed = await (state === "unknown"
        ? database.createTombstone(scope, of)
        : database.remove(scope, of));
      if (!inInfisical) {
        const isLeft =
          state === "unknown" ||
          (await withTimeout(infisical.has(company, secretKey)).catch(() => undefined));
        return { ...removed, leftInInfisical: isLeft };
      }
      if (await infisical.has(company, secretKey)) await infisical.erase(scope, secretKey);
      return { ...removed, leftInInfisical: false };
    },

    versions: {
      ...afterBackfill(database.versions),

      findActive: async (company, secret) => {
        const { secretKey, isRefused = false } = secret;
        if (isRefused) backfill.markStale(company, secretKey);
        const current = await find(company, secretKey);
        if (current === undefined) return undefined;
        if (current.version === 0) return [{ stage: "current", encrypted: current }];
        const active = await database.versions.findActive(company, secret);
        if (active === undefined || current.ttlMs === undefined) return active;
        const [{ encrypted, ...first }, ...others] = active;
        // For as long as the last answer of Infisical holds.
        return [{ ...first, encrypted: { ...encrypted, ttlMs: current.ttlMs } }, ...others];
      },

      // A removed secret is known, so that Infisical need not be asked.
      removed: (company) => database.versions.removed(company),
      restore: (...change) => database.versions.restore(...change),
    },
    batches: database.batches,
    checks: afterBackfill(database.checks),
    touchLastUsed: database.touchLastUsed,
  };
}

/** What the database knows of a secret, where Infisical can have it. */
function stateOf(knowledge: Lookup<unknown>): Lookup<unknown>["state"] {
  return knowledge.state === "removed" && knowledge.origin === "infisical" ? "unknown" : knowledge.state;
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
