import { setTimeout as sleep } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import { type Catalog, checkValueText, lastFourOf, systemCaller } from "@repo/catalog";
import type { Plaintext } from "@repo/envelope";
import type { Company } from "../../companies/companies.ts";
import type { DatabaseStore } from "../database/port.ts";
import { isEncryptionOf, type EncryptedSecret } from "../encrypted-secret.ts";
import type { OfSecret, SecretStore } from "../store.ts";

/** What became of values that a hybrid company still had in Infisical only. */
export interface BackfillMeasurements {
  readonly backfilled: number;
  /** Adopted values that Infisical had a newer one for. */
  readonly refreshed: number;
  /** Looks at Infisical, and copies into the database, that failed; what there was is served. */
  readonly failed: number;
}

export interface BackfillParts {
  readonly catalog: Catalog;
  readonly database: Pick<DatabaseStore, "backfill" | "lookup">;
  readonly infisical: Pick<SecretStore, "find">;
  /** How long this process takes a copy for Infisical's latest, in milliseconds. */
  readonly recheckAfterMs: number;
}

export interface BackfillOptions {
  /**
   * Whether to wait while the company's store is being changed, as changes do. Reads do not: they get what there is.
   * Default: false
   */
  readonly waits?: boolean;
}

/** Copies values from Infisical into the database. The audit log names the job as the actor, not the caller of the read. */
export interface Backfill {
  /**
   * Copies a secret that the database does not know.
   *
   * @returns the value to serve: the database's, or Infisical's where the catalogue or an outage prevents the copy
   */
  backfill(
    company: Company,
    outside: EncryptedSecret,
    options: OfSecret<BackfillOptions>,
  ): Promise<EncryptedSecret | undefined>;
  /**
   * Asks Infisical, once per `freshMs`, for a newer value of a copy that was not changed since. Where Infisical does not answer
   * in time, the copy is served.
   */
  refresh(company: Company, secretKey: string, copy: EncryptedSecret): Promise<EncryptedSecret | undefined>;
  /** Makes the next `refresh` ask Infisical, however recently it did. */
  markStale(company: Company, secretKey: string): void;
  measure(): BackfillMeasurements;
}

/** How long a reader waits for Infisical where the database has a value. */
const timeoutMs = 1000;
/** How long what could not be looked up or copied is served before it is tried again. */
const untilNextTryMs = 10_000;

const backfillCaller = systemCaller("backfill", { verbs: [], secretKeys: [] });

export function createBackfill({ catalog, database, infisical, recheckAfterMs }: BackfillParts): Backfill {
  const recent = new LRUCache<string, true>({ max: 100_000, ttl: recheckAfterMs });
  const counts = { backfilled: 0, refreshed: 0, failed: 0 };

  /** @returns whether the database was asked to take the value; it may have had another one */
  const copy = async (
    company: Company,
    plaintext: Plaintext,
    { secretKey, over, waits = false }: OfSecret<BackfillOptions & { readonly over?: number }>,
  ): Promise<boolean> => {
    const text = plaintext.reveal();
    if (!isBackfilled(catalog, secretKey, text)) return false;
    const lastFour = lastFourOf(catalog.get(secretKey), text);
    const backfill = { secretKey, plaintext, lastFour, origin: "infisical", over, waits } as const;
    const made = await database.backfill({ caller: backfillCaller, company }, backfill);
    if (made !== undefined) counts[over === undefined ? "backfilled" : "refreshed"] += 1;
    recent.set(nameOf(company, secretKey), true);
    return true;
  };

  const present = async (company: Company, secretKey: string): Promise<EncryptedSecret | undefined> => {
    const known = await database.lookup(company, secretKey);
    return known.state === "present" ? known.secret.encrypted : undefined;
  };

  /** Infisical's version numbers mean nothing beside the database's. Version 0 is none of these. */
  const asOutside = (outside: EncryptedSecret): EncryptedSecret => ({ ...outside, version: 0 });

  return {
    backfill: async (company, outside, options) => {
      const plaintext = outside.decrypt();
      try {
        if (!(await copy(company, plaintext, options))) return asOutside(outside);
      } catch {
        counts.failed += 1;
        return { ...asOutside(outside), ttlMs: untilNextTryMs };
      } finally {
        plaintext.wipe();
      }
      return present(company, options.secretKey);
    },

    refresh: async (company, secretKey, known) => {
      const ttlMs = recent.getRemainingTTL(nameOf(company, secretKey));
      // The last tenth of the time is not worth another entry in the cache.
      if (ttlMs > recheckAfterMs / 10) return { ...known, ttlMs };
      let plaintext: Plaintext | undefined;
      try {
        plaintext = (await withTimeout(infisical.find(company, secretKey)))?.decrypt();
        recent.set(nameOf(company, secretKey), true);
        if (plaintext === undefined || isEncryptionOf(known, plaintext)) return known;
        if (!(await copy(company, plaintext, { secretKey, over: known.version }))) return known;
      } catch {
        recent.delete(nameOf(company, secretKey));
        counts.failed += 1;
        return { ...known, ttlMs: untilNextTryMs };
      } finally {
        plaintext?.wipe();
      }
      return present(company, secretKey);
    },

    markStale: (company, secretKey) => void recent.delete(nameOf(company, secretKey)),

    measure: () => ({ ...counts }),
  };
}

/** Whether the catalogue lets a value be copied: a value that it refuses to write stays in Infisical. */
function isBackfilled(catalog: Catalog, secretKey: string, text: string): boolean {
  if (catalog.find(secretKey)?.backfill === false) return false;
  try {
    checkValueText(catalog, secretKey, text);
    return true;
  } catch {
    return false;
  }
}

/** @throws where it takes longer than a reader waits for Infisical */
export async function withTimeout<T>(work: Promise<T>): Promise<T> {
  const giveUp = new AbortController();
  const late = sleep(timeoutMs, undefined, { signal: giveUp.signal }).then(() => {
    throw new Error("Infisical did not answer soon");
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    giveUp.abort();
    work.catch(() => {});
    late.catch(() => {});
  }
}

/** Ids have one length, so that two of these are never the same. */
function nameOf(company: Company, secretKey: string): string {
  return `${company.id} ${secretKey}`;
}
