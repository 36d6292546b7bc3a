import { DatabaseError, type Database } from "@repo/db";
import { LRUCache } from "lru-cache";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { type AuditLog, networkOf } from "@repo/audit-log";
import { type Caller, TenantSecretsError } from "@repo/catalog";
import { denialOf, deny, type Attempt } from "./attempt.ts";
import { createCounters, type Count, type Counters } from "./counters.ts";

/** The limits. Each has a default. */
export interface RateLimitOptions {
  /** Wrong credentials per address and minute; further ones are answered RATE_LIMITED. Default 20. */
  readonly failedCredentialsPerMinute?: number | undefined;
  /** Denials per actor and minute, in one company or outside its companies. Default 100. */
  readonly refusalsPerMinute?: number | undefined;
  /** Sensitive calls per actor and minute. Default 60. */
  readonly sensitiveCallsPerMinute?: number | undefined;
  /** Calls per actor, process and second, averaged over ten seconds. Default 500. */
  readonly callsPerSecond?: number | undefined;
  /** Calls per company, process and second, averaged over ten seconds. Default 1,000. */
  readonly companyCallsPerSecond?: number | undefined;
}

/** A refused credential. */
export interface PresentedFrom {
  readonly address: string | undefined;
  /** Undefined if the text cannot be one of our credentials. */
  readonly prefix: string | undefined;
  readonly requestId: string | undefined;
}

/**
 * Protects callers from each other's load, and credentials from guessing. Failures and sensitive calls are counted in the
 * database, across processes and restarts; other calls in this process. Jobs are not limited. Each method throws RATE_LIMITED,
 * which is then audited, and DATABASE_UNAVAILABLE if a count in the database fails.
 */
export interface RateLimits {
  /**
   * Counts a wrong credential. A valid one is never refused here, so that guesses by strangers cannot lock it. Throws once the
   * address has exceeded the limit.
   */
  credentialFailed(presented: PresentedFrom): Promise<void>;
  /**
   * Whether this process knows the address to be over the limit: its further credentials are checked in a limited share of
   * connections.
   */
  isGuessing(address: string | undefined): boolean;
  /** Counts an attempt to sign in, for an address or an account, before any work is done for it. */
  admitAttempt(key: string, from: Pick<Caller, "address" | "requestId">): Promise<void>;
  /** Counts a call without a credential, for the network of its address. Without an address, all share one count. */
  admitVisitor(from: Pick<Caller, "address" | "requestId">): Promise<void>;
  /** Counts a call; each call of a batch counts. */
  admitCall(caller: Caller, isSensitive: boolean): Promise<void>;
  /**
   * Counts a call for a company, after the caller was found to belong to it: strangers cannot use up its budget. Also throws
   * for an actor with too many denials in this company, without effect on the actor's other companies.
   */
  admitToCompany(attempt: Attempt, companyId: string): Promise<void>;
  /** Counts a failed call, once, if the error is a denial. A call with malformed input costs as much as ten calls. */
  callFailed(caller: Caller, error: TenantSecretsError): Promise<void>;
}

/** Calls without a credential per network and minute: several people of one office may accept invitations at once. */
const visitsPerMinute = 30;
const minuteMs = 60_000;
/** Per key and minute: a person mistypes a password, and an office shares an address. */
const attemptsPerMinute = 20;
const dayMs = 24 * 60 * minuteMs;
const longestBlockMs = 60 * minuteMs;
/** Milliseconds until a block is looked up again: as long as a credential's check is cached. */
const standingMs = 5_000;
const windowSeconds = 10;
/** The cost of a call with malformed input, in calls: parsing it is load, and it achieves nothing. */
const malformedCalls = 10;

export function createRateLimits(
  database: Database,
  audit: AuditLog,
  options: RateLimitOptions = {},
): RateLimits {
  const counters = createCounters(database);
  const credentials = failures(counters, options.failedCredentialsPerMinute ?? 20);
  const refusals = failures(counters, options.refusalsPerMinute ?? 100);
  const sensitiveCallsPerMinute = options.sensitiveCallsPerMinute ?? 60;
  const calls = inThisProcess(options.callsPerSecond ?? 500);
  const companyCalls = inThisProcess(options.companyCallsPerSecond ?? 1000);
  const seen = new WeakSet<TenantSecretsError>();

  /** Each block of an address within a day is twice as long as the previous one. */
  const nextBlockMs = async (key: string): Promise<number> => {
    const { points } = await counters.add(keyOf("block", key), dayMs);
    return Math.min(minuteMs * 2 ** (points - 1), longestBlockMs);
  };

  return {
    isGuessing: (address) =>
      address !== undefined && credentials.isBlocked(keyOf("credential", `address:${networkOf(address)}`)),

    credentialFailed: async (presented) => {
      const { address, prefix, requestId } = presented;
      if (address === undefined && prefix === undefined) return;
      const subject = address === undefined ? `prefix:${prefix}` : `address:${networkOf(address)}`;
      const waitMs = await counted(() =>
        credentials.add(keyOf("credential", subject), address === undefined ? oneMinute : nextBlockMs),
      );
      if (waitMs === 0) return;
      const refusal = { action: "credential.check", outcome: "denied", reason: "RATE_LIMITED" } as const;
      await audit.record({ actor: { kind: "anonymous", id: prefix ?? "none" }, address, requestId }, refusal);
      throw rateLimited(waitMs);
    },

    admitAttempt: async (key, from) => {
      const { points, endsInMs } = await counted(() => counters.add(keyOf("attempt", key), minuteMs));
      if (points <= attemptsPerMinute) return;
      const refusal = { action: "sign-in", outcome: "denied", reason: "RATE_LIMITED" } as const;
      await audit.record({ actor: { kind: "anonymous", id: "none" }, ...from }, refusal);
      throw rateLimited(endsInMs);
    },

    admitVisitor: async ({ address, requestId }) => {
      const network = address === undefined ? "none" : networkOf(address);
      const { points, endsInMs } = await counted(() => counters.add(keyOf("visitor", network), minuteMs));
      if (points <= visitsPerMinute) return;
      await audit.record(
        { actor: { kind: "anonymous", id: "none" }, address, requestId },
        { action: "call.limit", outcome: "denied", reason: "RATE_LIMITED" },
      );
      throw rateLimited(endsInMs);
    },

    admitCall: async (caller, isSensitive) => {
      if (caller.actor.kind === "job") return;
      const actor = actorOf(caller);
      const attempt: Attempt = { caller, action: "call.limit" };
      const waitMs = await calls(actor);
      if (waitMs > 0) return deny(audit, attempt, rateLimited(waitMs));
      if (!isSensitive) return;
      const { points, endsInMs } = await counted(() => counters.add(keyOf("sensitive", actor), minuteMs));
      if (points > sensitiveCallsPerMinute) await deny(audit, attempt, rateLimited(endsInMs));
    },

    admitToCompany: async (attempt, companyId) => {
      if (attempt.caller.actor.kind === "job") return;
      const actor = actorOf(attempt.caller);
      // A key for thousands of companies looks this company up only while it is blocked in some company.
      const isBlocked = refusals.knownWaitMs(keyOf("blocked", actor)) > 0;
      const blockedMs = isBlocked ? refusals.knownWaitMs(refusalKey(actor, companyId)) : 0;
      const waitMs = Math.max(blockedMs, await companyCalls(companyId));
      if (waitMs > 0) await deny(audit, { ...attempt, companyId }, rateLimited(waitMs));
    },

    callFailed: async (caller, error) => {
      const denial = denialOf(error);
      if (caller.actor.kind !== "job" && error.code === "INVALID_INPUT" && !seen.has(error)) {
        seen.add(error);
        // Malformed input does not block the actor: that would stop a whole product because of one customer's input.
        await calls(actorOf(caller), malformedCalls - 1);
      }
      if (caller.actor.kind === "job" || denial === undefined || seen.has(error)) return;
      // A suspended company's own programs go on calling, and are no guessers.
      if (
        error.code === "RATE_LIMITED" ||
        error.code === "COMPANY_SUSPENDED" ||
        error.code === "WRONG_REGION"
      )
        return;
      seen.add(error);
      const actor = actorOf(caller);
      const { companyId } = denial;
      const waitMs = await counted(() =>
        refusals.add(refusalKey(actor, companyId), async () => {
          if (companyId !== undefined) await refusals.block(keyOf("blocked", actor), minuteMs);
          return minuteMs;
        }),
      );
      if (waitMs > 0) throw rateLimited(waitMs);
    },
  };
}

interface Failures {
  /** As `knownWaitMs`, without a look-up. */
  isBlocked(key: string): boolean;
  /**
   * The remaining block of a key, in milliseconds, as far as this process knows. An unknown key is looked up in the background
   * for the next call, so that no call waits for the database.
   */
  knownWaitMs(key: string): number;
  /**
   * @param blockMs the length of a new block, called once the limit is reached @returns the waiting time once over the limit;
   *   else 0
   */
  add(key: string, blockMs: (key: string) => Promise<number>): Promise<number>;
  block(key: string, forMs: number): Promise<void>;
}

/**
 * Counts failures per minute, and blocks keys over the limit. While this process knows of a block, the database is not used.
 */
function failures(counters: Counters, limit: number): Failures {
  // When each key's block ends, by the monotonic clock.
  const standing = new LRUCache<string, number>({ max: 10_000 });
  const remember = (key: string, waitMs: number): void => {
    standing.set(key, performance.now() + waitMs, { ttl: waitMs === 0 ? standingMs : waitMs });
  };
  const known = (key: string): number | undefined => {
    const until = standing.get(key);
    return until === undefined ? undefined : Math.max(0, until - performance.now());
  };
  const lookUp = async (key: string): Promise<void> => {
    const count = await counters.find(key);
    if (count !== undefined && count.points >= limit) remember(key, count.endsInMs);
  };
  const block = async (key: string, forMs: number): Promise<void> => {
    await counters.extend(key, { points: limit, endsInMs: forMs });
    remember(key, forMs);
  };
  return {
    block,
    isBlocked: (key) => (known(key) ?? 0) > 0,
    knownWaitMs: (key) => {
      const waitMs = known(key);
      if (waitMs !== undefined) return waitMs;
      remember(key, 0);
      lookUp(key).catch(() => {});
      return 0;
    },
    add: async (key, blockMs) => {
      const blockedMs = known(key) ?? 0;
      if (blockedMs > 0) return blockedMs;
      const { points, endsInMs }: Count = await counters.add(key, minuteMs);
      if (points < limit) return 0;
      if (points > limit) {
        remember(key, endsInMs);
        return endsInMs;
      }
      // Exactly one failure reaches the limit, however many are concurrent.
      await block(key, await blockMs(key));
      return 0;
    },
  };
}

/** Keys are ids of existing actors and companies, so that their number is bounded. */
function inThisProcess(perSecond: number): (key: string, calls?: number) => Promise<number> {
  const points = perSecond * windowSeconds;
  const limiter = new RateLimiterMemory({ points, duration: windowSeconds });
  return async (key, calls = 1) => {
    const { consumedPoints, msBeforeNext } = await limiter.penalty(key, calls);
    return consumedPoints > points ? msBeforeNext : 0;
  };
}

function oneMinute(): Promise<number> {
  return Promise.resolve(minuteMs);
}

function actorOf({ actor }: Caller): string {
  return `${actor.kind}:${actor.id}`;
}

/** Foreign and absent companies share one counter, since their names are unlimited in number. */
function refusalKey(actor: string, companyId: string | undefined): string {
  return keyOf("refusal", JSON.stringify([actor, companyId ?? null]));
}

function keyOf(kind: string, subject: string): string {
  return `${kind}:${subject}`;
}

/** Refuses the call if it cannot be counted, for whatever reason. */
async function counted<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new TenantSecretsError(
      "DATABASE_UNAVAILABLE",
      "The database cannot count requests, which this one requires. Try again in a moment.",
      { retryAfterMs: 1000, diagnosis: error instanceof DatabaseError ? error.message : undefined },
    );
  }
}

function rateLimited(retryAfterMs: number): TenantSecretsError {
  return new TenantSecretsError(
    "RATE_LIMITED",
    "Too many requests, or too many denied requests: wait for the time given in the answer.",
    { retryAfterMs },
  );
}
