import { createHash } from "node:crypto";
import { DatabaseError, type Database } from "@repo/db";
import { LRUCache } from "lru-cache";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { type AuditLog, networkOf } from "@repo/audit-log";
import { type Caller, TenantSecretsError } from "@repo/catalog";
import { denialOf, deny, type Attempt } from "./attempt.ts";
import { createCounters, type Count, type Counters } from "./counters.ts";

/** How much is too much. What is left out has its default. */
export interface RateLimitOptions {
  /** Wrong credentials of one address in a minute, before the next ones are answered RATE_LIMITED. Default 20. */
  readonly failedCredentialsPerMinute?: number | undefined;
  /** Refusals of one actor in one company in a minute, or outside its companies. Default 100. */
  readonly refusalsPerMinute?: number | undefined;
  /** Sensitive calls of one actor in a minute. Default 60. */
  readonly sensitiveCallsPerMinute?: number | undefined;
  /** Calls of one actor to one process, a second, on average over ten. Default 500. */
  readonly callsPerSecond?: number | undefined;
  /** Calls about one company to one process, a second, on average over ten. Default 1,000. */
  readonly companyCallsPerSecond?: number | undefined;
}

/** A credential that was refused. */
export interface PresentedFrom {
  readonly address: string | undefined;
  /** Undefined where the text cannot be a credential of ours. */
  readonly prefix: string | undefined;
  readonly requestId: string | undefined;
}

/**
 * What keeps one caller from wearing out the others, and a guesser from guessing on. Failures and sensitive calls are
 * counted in the database, across processes and restarts; the rest in this process. Jobs are not limited. Each method
 * throws RATE_LIMITED, which is in the audit log then, and DATABASE_UNAVAILABLE where it has to count and cannot.
 */
export interface RateLimits {
  /**
   * A credential was wrong. A right one is never refused here, so that no stranger's guesses can lock it. Throws where
   * enough others were wrong before it.
   */
  credentialFailed(presented: PresentedFrom): Promise<void>;
  /** Whether enough credentials of this address were wrong, as far as this process knows: its next ones wait behind others. */
  isGuessing(address: string | undefined): boolean;
  /** Before a call, also one of many in a request. */
  admitCall(caller: Caller, isSensitive: boolean): Promise<void>;
  /**
   * Once a caller was found to belong to a company; nobody else's calls count for it. Throws, too, for an actor that was
   * refused too much in this company. Others of that actor's companies notice nothing.
   */
  admitToCompany(attempt: Attempt, companyId: string): Promise<void>;
  /**
   * A call ended with this error, which counts where it is a refusal, and once. One whose input did not have its form counts
   * as ten calls.
   */
  callFailed(caller: Caller, error: TenantSecretsError): Promise<void>;
}

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const longestBlockMs = 60 * minuteMs;
/** How long a look into the database holds: as long as the outcome of a credential's check. */
const standingMs = 5_000;
const windowSeconds = 10;
/** For how many calls one counts whose input does not have its form: it costs its reading, and does nothing. */
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

  /** Each block of an address within a day is twice as long as the one before. */
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
      // A key of thousands of companies asks about the one only while it is blocked in some.
      const isBlocked = refusals.knownWaitMs(keyOf("blocked", actor)) > 0;
      const blockedMs = isBlocked ? refusals.knownWaitMs(refusalKey(actor, companyId)) : 0;
      const waitMs = Math.max(blockedMs, await companyCalls(companyId));
      if (waitMs > 0) await deny(audit, { ...attempt, companyId }, rateLimited(waitMs));
    },

    callFailed: async (caller, error) => {
      const denial = denialOf(error);
      if (caller.actor.kind !== "job" && error.code === "INVALID_INPUT" && !seen.has(error)) {
        seen.add(error);
        // No block, which would stop a product for one of its customers who sends nonsense.
        await calls(actorOf(caller), malformedCalls - 1);
      }
      if (caller.actor.kind === "job" || denial === undefined || seen.has(error)) return;
      if (error.code === "RATE_LIMITED") return;
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
  /** As `knownWaitMs`, and never asks. */
  isBlocked(key: string): boolean;
  /**
   * How long the key has to wait as far as this process knows, in milliseconds. Where it does not know, it asks for the
   * next time, and nobody waits for the database.
   */
  knownWaitMs(key: string): number;
  /** @param blockMs how long to block, asked once the limit is reached @returns how long to wait after a failure too many; 0 before */
  add(key: string, blockMs: (key: string) => Promise<number>): Promise<number>;
  block(key: string, forMs: number): Promise<void>;
}

/** Counts failures within a minute, and blocks what has too many. What is blocked already is not counted in the database again. */
function failures(counters: Counters, limit: number): Failures {
  // How long each is blocked, by a clock that nobody sets; 0 for one that is not.
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
      // One failure only is the last of its window, however many come at once.
      await block(key, await blockMs(key));
      return 0;
    },
  };
}

/** Keys are ids of actors and companies that exist, so that there is no more of them than of those. */
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

/** Companies that an actor may not enter, and those that are not there, count together: their names have no end. */
function refusalKey(actor: string, companyId: string | undefined): string {
  return keyOf("refusal", JSON.stringify([actor, companyId ?? null]));
}

/** Of one length, and saying nothing of whom it is about. */
function keyOf(kind: string, subject: string): string {
  return createHash("sha256").update(`${kind}:${subject}`).digest("hex");
}

/** Whatever keeps the database from counting, what has to be counted is refused. */
async function counted<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new TenantSecretsError(
      "DATABASE_UNAVAILABLE",
      "The database cannot count requests, and this one has to be counted. Try again in a moment.",
      { retryAfterMs: 1000, diagnosis: error instanceof DatabaseError ? error.message : undefined },
    );
  }
}

function rateLimited(retryAfterMs: number): TenantSecretsError {
  return new TenantSecretsError(
    "RATE_LIMITED",
    "Too many requests, or too many that were refused: wait, as long as the answer says.",
    { retryAfterMs },
  );
}
