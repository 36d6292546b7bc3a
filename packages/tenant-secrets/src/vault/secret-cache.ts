import { isDatabaseAway, isStoreAway } from "@repo/audit-log";
import type { Bounds } from "../cache/fair-lru.ts";
import { createKeptAnswers, type CacheMeasurements, type Keeping, type KeptAnswers } from "../cache/cache.ts";
import type { SealedSecret } from "../stores/encrypted-secret.ts";
import type { LiveSecrets } from "../stores/store.ts";

/** What a process has found of companies' secrets, sealed as it was, and keeps while it hears of changes. */
export interface KeptSecrets {
  /** Current values. */
  readonly current: KeptAnswers<SealedSecret>;
  /** All values that count, which webhooks are verified with. */
  readonly live: KeptAnswers<LiveSecrets>;
  /** One secret of a company has changed, or any of them. */
  forget(companyId: string, secretKey?: string): void;
  /** Of a company's secrets those have changed that are meant. */
  forgetNames(companyId: string, isMeant: (secretKey: string) => boolean): void;
  doubt(): void;
  start(): void;
  stop(): void;
  /** Of both together. */
  measure(): CacheMeasurements;
}

/** What webhooks are signed with is few of the secrets that there are. */
const shareOfLive = 1 / 8;

/** @param bounds of current values; an eighth of that is kept beside them */
export function createKeptSecrets({ maxEntries, maxBytes, ...keeping }: Keeping & Bounds): KeptSecrets {
  const away = {
    isAway: isStoreAway,
    // Infisical has a circuit breaker, and what a hybrid company has in the database is asked for while that is open.
    isAwayForAll: isDatabaseAway,
  };
  const current = createKeptAnswers<SealedSecret>({
    ...keeping,
    ...away,
    maxEntries,
    maxBytes,
    sizeOf: ({ sizeBytes }) => sizeBytes,
    keepMsOf: ({ keepMs }) => keepMs,
  });
  const live = createKeptAnswers<LiveSecrets>({
    ...keeping,
    ...away,
    maxEntries: Math.ceil(maxEntries * shareOfLive),
    maxBytes: Math.ceil(maxBytes * shareOfLive),
    sizeOf: (secrets) => secrets.reduce((sum, { sealed }) => sum + sealed.sizeBytes, 0),
    keepMsOf: (secrets) => Math.min(...secrets.map(({ sealed }) => sealed.keepMs ?? Infinity)),
  });
  const both = [current, live] as const;
  return {
    current,
    live,
    forget: (companyId, secretKey) => both.forEach((each) => each.forget(companyId, secretKey)),
    forgetNames: (companyId, isMeant) => both.forEach((each) => each.forgetNames(companyId, isMeant)),
    doubt: () => both.forEach((each) => each.doubt()),
    start: () => both.forEach((each) => each.start()),
    stop: () => both.forEach((each) => each.stop()),
    measure: () => {
      const [one, other] = [current.measure(), live.measure()];
      return {
        hits: one.hits + other.hits,
        absentHits: one.absentHits + other.absentHits,
        staleHits: one.staleHits + other.staleHits,
        misses: one.misses + other.misses,
        joined: one.joined + other.joined,
        // Whatever is forgotten is forgotten in both.
        invalidations: one.invalidations,
        evictions: one.evictions + other.evictions,
        entries: one.entries + other.entries,
        bytes: one.bytes + other.bytes,
      };
    },
  };
}
