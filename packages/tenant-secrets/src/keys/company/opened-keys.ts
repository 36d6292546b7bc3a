import { LRUCache } from "lru-cache";
import type { CompanyId } from "@repo/catalog";
import type { CompanyKey } from "@repo/envelope";
import { ExternalKeyError, externalPauseMs } from "../external/external-key-error.ts";
import type { Lease } from "../external/lease.ts";

/** Milliseconds that a process caches an unwrapped key: the cost of a lost notification. */
export const companyKeysTtlMs = 300_000;

export interface LoadedKey {
  readonly key: CompanyKey;
  /** Of a key that an external key has opened. */
  readonly lease?: Lease;
}

type Opened = Map<number, Promise<LoadedKey>>;

/** The unwrapped keys that this process caches. Concurrent calls for a key share one load. */
export interface OpenedKeys {
  /** @throws what `load` throws */
  open(companyId: CompanyId, keyVersion: number, load: () => Promise<LoadedKey>): Promise<CompanyKey>;
  /** Drops the keys of one company, or of all. Keys that are being loaded are not cached either. */
  invalidate(companyId?: string): void;
}

export function createOpenedKeys(): OpenedKeys {
  const opened = new LRUCache<string, Opened>({ max: 10_000, ttl: companyKeysTtlMs });

  const keysOf = (companyId: string): Opened => {
    const known = opened.get(companyId);
    if (known !== undefined) return known;
    const keys: Opened = new Map();
    opened.set(companyId, keys);
    return keys;
  };

  return {
    open: async (companyId, keyVersion, load) => {
      const keys = keysOf(companyId);
      for (let loads = 0; ;) {
        let loading = keys.get(keyVersion);
        if (loading === undefined) {
          // A service that answers more slowly than a key may be used gets no third call.
          if (++loads > 2) throw new ExternalKeyError("unavailable");
          loading = load();
          cacheIn(keys, keyVersion, loading);
        }
        const { key, lease } = await loading;
        if (lease === undefined || lease.isLive()) return key;
        // The first of those who wait here loads it again.
        if (keys.get(keyVersion) === loading) keys.delete(keyVersion);
      }
    },
    invalidate: (companyId) => {
      if (companyId === undefined) opened.clear();
      else opened.delete(companyId);
    },
  };
}

/** A failure of an external key answers for a while too, so that its service is not asked at each call. */
function cacheIn(keys: Opened, keyVersion: number, loading: Promise<LoadedKey>): void {
  keys.set(keyVersion, loading);
  const forget = (): void => {
    if (keys.get(keyVersion) === loading) keys.delete(keyVersion);
  };
  loading.catch((error: unknown) => {
    if (error instanceof ExternalKeyError) setTimeout(forget, externalPauseMs).unref();
    else forget();
  });
}
