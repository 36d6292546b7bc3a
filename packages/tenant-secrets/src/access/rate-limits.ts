import { createHash } from "node:crypto";
import { isIPv6 } from "node:net";
import { DatabaseError, type Database } from "@repo/db";
import { LRUCache } from "lru-cache";
import { RateLimiterMemory, RateLimiterPostgres } from "rate-limiter-flexible";
import type { Caller } from "../vocabulary/actor.ts";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import { refuse, type Attempt } from "./attempt.ts";
import type { AuditLog } from "./audit.ts";

/** How much is too much. What is left out has its default. */
export interface RateLimitOptions {
  /** Wrong credentials of one address, or for one API key, in a minute. Default 20. */
  readonly failedCredentialsPerMinute?: number | undefined;
  /** Answers that an actor may not see what it asked for, in a minute. Default 100. */
  readonly refusalsPerMinute?: number | undefined;
  /** Sensitive calls of one actor in a minute. Default 60. */
  readonly sensitiveCallsPerMinute?: number | undefined;
  /** Calls of one actor to one process, a second, on average over ten. Default 500. */
  readonly callsPerSecond?: number | undefined;
  /** Calls about one company to one process, a second, on average over ten. Default 1,000. */
  readonly companyCallsPerSecond?: number | undefined;
}

/** A credential that was sent, as far as it can be told before it is checked. */
export interface PresentedFrom {
  readonly address: string | undefined;
  /** Undefined where the text cannot be a credential of ours. */
  readonly prefix: string | undefined;
  readonly requestId: string | undefined;
}

/**
 * What keeps one caller from wearing out the others, and a guesser from guessing on. Failures and sensitive calls are
 * counted in the database, across processes and restarts; the rest in this process. Jobs are not limited. Each method
 * throws RATE_LIMITED, which is on record then, and DATABASE_UNAVAILABLE where it has to count and cannot.
 */
export interface RateLimits {
  /** Before a credential is looked up: a right one is refused as well. */
  admitCredential(presented: PresentedFrom): Promise<void>;
  /** A credential was wrong. Throws where others were that came at the same time, and were enough. */
  credentialFailed(presented: PresentedFrom): Promise<void>;
  /** Before a call, also one of many in a request. */
  admitCall(caller: Caller, isSensitive: boolean): Promise<void>;
  /** Once a caller was found to belong to a company; nobody else's calls count for it. */
  admitToCompany(attempt: Attempt, companyId: string): Promise<void>;
  /** A call ended with this error, which counts where it is about what the actor may not see, and once. */
  callFailed(caller: Caller, error: TenantSecretsError): Promise<void>;
}

const minuteMs = 60_000;
const longestBlockMs = 60 * minuteMs;
/** How long a look into the database holds: as long as the outcome of a credential's check. */
const standingMs = 5_000;
const windowSeconds = 10;

const accessFailures: ReadonlySet<TenantSecretsError["code"]> = new Set([
  "FORBIDDEN",
  "NOT_FOUND",
  "UNKNOWN_SECRET_KEY",
]);

export function createRateLimits(
  database: Database,
  audit: AuditLog,
  options: RateLimitOptions = {},
): RateLimits {
  const perMinute = strictly(database, 60);
  const credentials = failures(perMinute(options.failedCredentialsPerMinute ?? 20));
  const refusals = failures(perMinute(options.refusalsPerMinute ?? 100));
  const sensitiveCalls = perMinute(options.sensitiveCallsPerMinute ?? 60);
  const blocks = strictly(database, 24 * 3600)(Number.MAX_SAFE_INTEGER);
  const calls = inThisProcess(options.callsPerSecond ?? 500);
  const companyCalls = inThisProcess(options.companyCallsPerSecond ?? 1000);
  const seen = new WeakSet<TenantSecretsError>();

  const refuseCredential = async (presented: PresentedFrom, waitMs: number): Promise<void> => {
    if (waitMs === 0) return;
    const { prefix = "none", ...origin } = presented;
    const refusal = { action: "credential.check", outcome: "refused", reason: "RATE_LIMITED" } as const;
    await audit.add({ actor: { kind: "anonymous", id: prefix }, ...origin }, refusal);
    throw rateLimited(waitMs);
  };
  /** Each block of an address within a day is twice as long as the one before. */
  const nextBlockMs = async (key: string): Promise<number> => {
    const { consumedPoints } = await blocks.penalty(keyOf("block", key));
    return Math.min(minuteMs * 2 ** (consumedPoints - 1), longestBlockMs);
  };

  return {
    admitCredential: async (presented) => {
      const waits = await counted(() =>
        Promise.all(credentialKeys(presented).map(({ key }) => credentials.waitMs(key))),
      );
      await refuseCredential(presented, Math.max(0, ...waits));
    },

    credentialFailed: async (presented) => {
      const waits = await counted(() =>
        Promise.all(
          // A key's rightful owner waits with the guessers, so that block does not grow.
          credentialKeys(presented).map(({ key, grows }) =>
            credentials.add(key, grows ? nextBlockMs : () => Promise.resolve(minuteMs)),
          ),
        ),
      );
      await refuseCredential(presented, Math.max(0, ...waits));
    },

    admitCall: async (caller, isSensitive) => {
      if (caller.actor.kind === "job") return;
      const key = actorKey(caller);
      const attempt: Attempt = { caller, action: "call.limit" };
      const waitMs = Math.max(refusals.knownWaitMs(key), await calls(key));
      if (waitMs > 0) return refuse(audit, attempt, rateLimited(waitMs));
      if (!isSensitive) return;
      const { consumedPoints, msBeforeNext } = await counted(() =>
        sensitiveCalls.penalty(keyOf("sensitive", key)),
      );
      if (consumedPoints > sensitiveCalls.points) await refuse(audit, attempt, rateLimited(msBeforeNext));
    },

    admitToCompany: async (attempt, companyId) => {
      if (attempt.caller.actor.kind === "job") return;
      const waitMs = await companyCalls(companyId);
      if (waitMs > 0) await refuse(audit, { ...attempt, companyId }, rateLimited(waitMs));
    },

    callFailed: async (caller, error) => {
      if (caller.actor.kind === "job" || !accessFailures.has(error.code) || seen.has(error)) return;
      seen.add(error);
      const waitMs = await counted(() => refusals.add(actorKey(caller), () => Promise.resolve(minuteMs)));
      if (waitMs > 0) throw rateLimited(waitMs);
    },
  };
}

/** Counts in the database, where all processes do, and one after the other. */
function strictly(database: Database, duration: number): (points: number) => RateLimiterPostgres {
  const storeClient = {
    query: ({ text, values }: { readonly text: string; readonly values: (string | number | null)[] }) =>
      database.outsideCompanies(async (sql) => {
        const rows = await sql.unsafe(text, values, { prepare: true });
        return { rows, rowCount: rows.length };
      }),
  };
  return (points) =>
    new RateLimiterPostgres({
      storeClient,
      storeType: "client",
      tableName: "rate_limits",
      tableCreated: true,
      clearExpiredByTimeout: false,
      keyPrefix: "",
      points,
      duration,
    });
}

interface Failures {
  /** How long whoever the key is about has to wait, in milliseconds; 0 for not at all. */
  waitMs(key: string): Promise<number>;
  /** As far as this process knows; where it does not, it asks for the next time, and nobody waits for the database. */
  knownWaitMs(key: string): number;
  /** @param blockMs how long to block, asked once the limit is reached @returns as `waitMs`, of a failure too many */
  add(key: string, blockMs: (key: string) => Promise<number>): Promise<number>;
}

function failures(limiter: RateLimiterPostgres): Failures {
  // Until when each is blocked, or that it is not.
  const standing = new LRUCache<string, number>({ max: 10_000 });
  const remember = (key: string, waitMs: number): void => {
    standing.set(key, Date.now() + waitMs, { ttl: waitMs === 0 ? standingMs : waitMs });
  };
  const known = (key: string): number | undefined => {
    const until = standing.get(key);
    return until === undefined ? undefined : Math.max(0, until - Date.now());
  };
  const lookUp = async (key: string): Promise<number> => {
    const found = await limiter.get(key);
    const waitMs = found !== null && found.consumedPoints >= limiter.points ? found.msBeforeNext : 0;
    // A failure that was counted meanwhile knows better.
    if (waitMs > 0 || !standing.has(key)) remember(key, waitMs);
    return waitMs;
  };
  return {
    waitMs: async (key) => known(key) ?? lookUp(key),
    knownWaitMs: (key) => {
      const waitMs = known(key);
      if (waitMs !== undefined) return waitMs;
      remember(key, 0);
      lookUp(key).catch(() => {});
      return 0;
    },
    add: async (key, blockMs) => {
      const { consumedPoints, msBeforeNext } = await limiter.penalty(key);
      if (consumedPoints < limiter.points) return 0;
      // One failure only is the last of its window, however many come at once.
      const isLast = consumedPoints === limiter.points;
      const waitMs = isLast ? await blockMs(key) : msBeforeNext;
      if (isLast) await limiter.block(key, waitMs / 1000);
      remember(key, waitMs);
      return isLast ? 0 : waitMs;
    },
  };
}

/** Keys are ids of actors and companies that exist, so that there is no more of them than of those. */
function inThisProcess(perSecond: number): (key: string) => Promise<number> {
  const points = perSecond * windowSeconds;
  const limiter = new RateLimiterMemory({ points, duration: windowSeconds });
  return async (key) => {
    const { consumedPoints, msBeforeNext } = await limiter.penalty(key);
    return consumedPoints > points ? msBeforeNext : 0;
  };
}

function credentialKeys({
  address,
  prefix,
}: PresentedFrom): { readonly key: string; readonly grows: boolean }[] {
  return [
    ...(address === undefined ? [] : [{ key: keyOf("address", network(address)), grows: true }]),
    ...(prefix === undefined ? [] : [{ key: keyOf("prefix", prefix), grows: false }]),
  ];
}

/** Whoever has one address of IPv6 has the 2^64 beside it. @param address in its canonical form */
function network(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const zeros = tail === undefined ? 0 : 8 - groups.length - (tail === "" ? 0 : tail.split(":").length);
  return [...groups, ...Array<string>(zeros).fill("0"), ...(tail ?? "").split(":")].slice(0, 4).join(":");
}

function actorKey({ actor }: Caller): string {
  return keyOf("actor", `${actor.kind}:${actor.id}`);
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
