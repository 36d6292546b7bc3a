import type { CompanyKey } from "@repo/envelope";
import { ExternalKeyError, externalPauseMs, LeaseOver } from "./external-key-error.ts";

/** For how long a process may use a company's key that an external key has opened, in milliseconds. */
export const externalKeyTtlMs = 60_000;

/** The part of that time after which a use has the external key asked again, while the key goes on being used. */
const renewAfterPart = 3 / 4;

/** The time for which a key may be used. A use of the key has the external key asked again in good time. */
export interface Lease {
  readonly isLive: () => boolean;
  /** The key, whose parts throw once the time is over, for every holder of it. @throws {ExternalKeyError} at the use of a part */
  readonly key: CompanyKey;
}

/**
 * @param ask the external key whether it still opens; rejects with an {@link ExternalKeyError}
 * @param askedAt when it last did, by `performance.now()`: before the call, so that the time counts from then
 */
export function leased(
  key: CompanyKey,
  ask: () => Promise<void>,
  { askedAt, ttlMs }: { readonly askedAt: number; readonly ttlMs: number },
): Lease {
  let until = askedAt + ttlMs;
  let renewAt = askedAt + ttlMs * renewAfterPart;
  let ended: ExternalKeyError | undefined;
  const isLive = (): boolean => performance.now() < until;
  const renew = async (): Promise<void> => {
    const now = performance.now();
    if (now < renewAt || now >= until) return;
    // One call at a time.
    renewAt = Infinity;
    try {
      await ask();
      until = now + ttlMs;
      renewAt = now + ttlMs * renewAfterPart;
    } catch (error) {
      renewAt = performance.now() + externalPauseMs;
      if (!(error instanceof ExternalKeyError) || error.fault === "unavailable") return;
      ended = error;
      until = 0;
    }
  };
  const use = <T>(part: T): T => {
    if (!isLive()) throw ended ?? new LeaseOver();
    void renew();
    return part;
  };
  return {
    isLive,
    key: {
      keyVersion: key.keyVersion,
      get valueKey() {
        return use(key.valueKey);
      },
      get fingerprintKey() {
        return use(key.fingerprintKey);
      },
      get headKey() {
        return use(key.headKey);
      },
      leftMs: () => Math.max(0, until - performance.now()),
    },
  };
}
