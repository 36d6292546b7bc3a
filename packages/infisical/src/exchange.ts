import { createSlots } from "./concurrency.ts";
import type { Deadline } from "./deadline.ts";
import { InfisicalError } from "./errors.ts";
import { send } from "./http.ts";
import type { HttpRequest } from "./http.ts";
import { errorOf, meaningOf, waitOf } from "./outcome.ts";
import type { Outcome, Refusal } from "./outcome.ts";
import { createRateBudget, ownerOf } from "./rate-budget.ts";
import type { RateBudget, RateState, Target } from "./rate-budget.ts";
import type { InfisicalRight } from "./rights.ts";
import { callSdk } from "./sdk.ts";
import { createSessions } from "./session.ts";
import type { Session } from "./session.ts";
import type { Credentials } from "./log-in-pause.ts";
import type { Watch } from "./watch.ts";

interface Request extends Pick<HttpRequest, "method" | "body"> {
  /** Below the server's address, with its query. */
  readonly address: string;
}

/** For how long, and for whom. */
interface Call extends Target {
  readonly deadline: Deadline;
  /** Whether a rate limit that fits into the deadline is waited out. Default true. */
  readonly waitsOutLimits?: boolean | undefined;
}

/** Ways to ask the server, logged in and within a deadline. Refused tokens and rate limits are dealt with inside. */
export interface Exchange {
  /** A read by the SDK. */
  read(call: Call, work: (sdk: Session["sdk"]) => Promise<unknown>): Promise<Outcome>;
  /** A request by our own fetch. A write is given up early enough for a re-read to fit in. */
  request(call: Call, request: Request): Promise<Outcome>;
  rate: RateBudget["rate"];
}

// What a write may take of the time that is left; the rest is for learning what became of it.
const writeShare = 0.6;

export function createExchange(
  credentials: Credentials,
  limits: {
    maxConcurrency: number;
    graceMs: number;
    refusedLogInMs: number;
    requestsPerMinute: number | undefined;
    isBulk: boolean;
    watch: Pick<Watch, "failed" | "loggedIn">;
  },
): Exchange {
  const slots = createSlots(limits.maxConcurrency, limits.graceMs, limits.isBulk ? 0 : 1);
  const budget = createRateBudget(limits.requestsPerMinute, { hasShares: !limits.isBulk });
  const sessions = createSessions(credentials, slots, limits);

  const persist = async (
    { deadline, waitsOutLimits = true }: Pick<Call, "deadline" | "waitsOutLimits">,
    perform: (session: Session) => Promise<Outcome>,
  ): Promise<Outcome> => {
    let isLoggedInAnew = false;
    for (;;) {
      const session = await sessions.current(deadline);
      const outcome = await perform(session);
      if (outcome.kind !== "refused") {
        if (outcome.kind === "answered") sessions.prove(session);
        return outcome;
      }
      const meaning = meaningOf(outcome.refusal);
      if (meaning === "RATE_LIMITED" && waitsOutLimits) await waitOut(outcome.refusal, deadline);
      else if (meaning === "TOKEN_REFUSED") {
        sessions.discard(session);
        if (isLoggedInAnew) return outcome;
        isLoggedInAnew = true;
      } else {
        sessions.prove(session);
        return outcome;
      }
    }
  };

  /** Inside its slot, since what waited may find more spent than when it came. */
  const counted = async <T>(target: Target, work: () => Promise<T>): Promise<T> => {
    const end = budget.take(target);
    try {
      return await work();
    } finally {
      end();
    }
  };

  const settingsOf = (target: Target) => ({
    onRate: (state: RateState) => budget.learn(target, state),
    isUrgent: ownerOf(target.path) === undefined,
  });

  return {
    rate: (route) => budget.rate(route),
    read: ({ deadline, waitsOutLimits, ...target }, work) =>
      persist({ deadline, waitsOutLimits }, ({ sdk }) =>
        callSdk(() => counted(target, () => work(sdk)), { slots, deadline, ...settingsOf(target) }),
      ),
    request({ deadline, waitsOutLimits, ...target }, { method, address, body }) {
      const { onRate, isUrgent } = settingsOf(target);
      const exchange = (token: string) => {
        const patience =
          method === "GET" ? [] : [AbortSignal.timeout(Math.ceil(deadline.remainingMs() * writeShare))];
        const signal = AbortSignal.any([deadline.signal, ...patience]);
        return send({ method, url: credentials.siteUrl + address, token, body, signal, onRate });
      };
      return persist({ deadline, waitsOutLimits }, ({ token }) =>
        slots.run(deadline, () => counted(target, () => exchange(token)), { isUrgent }),
      );
    },
  };
}

/** Waits as long as the server asks, and a random while longer, so that callers do not come back together. */
async function waitOut(refusal: Refusal, deadline: Deadline): Promise<void> {
  const waitMs = waitOf(refusal);
  const slackMs = deadline.remainingMs() - waitMs;
  if (slackMs <= 0) throw errorOf(refusal);
  const jitterMs = Math.random() * Math.min(Math.max(waitMs, 100), slackMs / 2);
  await new Promise((resolve) => setTimeout(resolve, waitMs + jitterMs));
}

/** Reads the answer to a write. One that does not fit leaves open whether the write was applied. */
export function believe<Body>(outcome: Outcome, parse: (body: unknown) => Body): Outcome<Body> {
  if (outcome.kind !== "answered") return outcome;
  try {
    return { kind: "answered", body: parse(outcome.body) };
  } catch (error) {
    if (error instanceof InfisicalError) return { kind: "unknown", failure: error };
    throw error;
  }
}

/**
 * The answer's body, or the error that the outcome stands for.
 *
 * @param right what the request needs
 */
export function bodyOf<Body>(outcome: Outcome<Body>, right?: InfisicalRight): Body {
  if (outcome.kind === "answered") return outcome.body;
  throw outcome.kind === "refused" ? errorOf(outcome.refusal, right) : outcome.failure;
}

/**
 * Learns what became of a write that has no final answer.
 *
 * @param find what a re-read shows: the result if the write was applied, undefined if there is no trace of it
 * @throws {InfisicalError} the outcome's own failure if there is no trace; `AMBIGUOUS` if the re-read fails too
 */
export async function settle<Result>(
  outcome: Extract<Outcome, { kind: "unknown" }>,
  find: () => Promise<Result | undefined>,
): Promise<Result> {
  let found: Result | undefined;
  try {
    found = await find();
  } catch {
    throw new InfisicalError("AMBIGUOUS");
  }
  if (found === undefined) throw outcome.failure;
  return found;
}
