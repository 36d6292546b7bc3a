import { SpanKind, SpanStatusCode, type Span } from "@opentelemetry/api";
import { DatabaseError, scrubDatabaseError } from "./errors.ts";
import { findTracer } from "./tracer.ts";

/** The outcome of one call, for metrics. */
export interface DatabaseCall {
  readonly pool: "application" | "maintenance";
  /** `ok` also where the caller's own function threw: the database did its part. */
  readonly outcome: "ok" | "unavailable" | "failed";
  readonly durationMs: number;
}

export interface CallOptions {
  readonly pool: DatabaseCall["pool"];
  readonly deadlineMs: number;
  readonly maxPending: number;
  /** How many connections the pool has at most. */
  readonly connections: number;
  readonly onCall: (call: DatabaseCall) => void;
  /** Whether the server is assumed to be unavailable until a call succeeds. */
  readonly startsUnavailable: boolean;
  /** How long a server that is there can leave a call without a word: longer than it allows any statement. */
  readonly silenceMs: number;
  /** When anything came on any connection of the pool, in the time of `performance.now()`. */
  readonly heardAt: () => number;
  /** Nothing was heard on any connection for as long as that, with a call under way. */
  readonly onSilence: () => void;
}

/** The calls of one pool. */
export interface Calls {
  /**
   * @param work can ask whether the deadline has passed, and need not start further steps then
   * @throws {DatabaseError} for errors of the database or driver; `unavailable` when too many calls are pending, when the
   *   call exceeds its deadline, or immediately while the server is unavailable and each connection already tries it. Other
   *   errors of `work` pass through
   */
  run<T>(work: (isLate: () => boolean) => Promise<T>): Promise<T>;
  /** The number of calls in the driver, including those whose caller already got a timeout. */
  pending(): number;
  /** Whether the last call got no answer from the server. */
  isUnavailable(): boolean;
}

/** Milliseconds. The deadline of calls after one without an answer. Short, because a request makes several calls in sequence. */
const unavailableDeadlineMs = 2000;

/** Error codes of a server that is unreachable, accepts no connections or does not answer. */
const unavailableCodes =
  /^(?:ECONNREFUSED|CONNECT_TIMEOUT|ETIMEDOUT|ENOTFOUND|EAI_|EHOST|TIMEOUT|57P03|53300)/;

/**
 * Bounds the calls of a pool in number and time. Without the bounds, calls whose
 * callers have given up would pile up on an overloaded server. While the server does not answer, one call per connection
 * keeps trying, and all others fail immediately.
 */
export function createCalls(options: CallOptions): Calls {
  const { pool, deadlineMs, silenceMs, maxPending, connections, onCall, onSilence } = options;
  let pending = 0;
  let isUnavailable = options.startsUnavailable;
  let endedAt = -Infinity;

  async function counted<T>(work: () => Promise<T>): Promise<T> {
    pending += 1;
    try {
      const result = await work();
      // Also when it comes too late for its caller: there is a server, if a slow one.
      isUnavailable = false;
      return result;
    } finally {
      endedAt = performance.now();
      pending -= 1;
    }
  }

  async function bounded<T>(work: (isLate: () => boolean) => Promise<T>): Promise<T> {
    if (pending >= maxPending) throw new DatabaseError("unavailable", "TOO_MANY_PENDING");
    if (isUnavailable && pending >= connections) throw new DatabaseError("unavailable", "UNAVAILABLE");
    const boundMs = isUnavailable ? Math.min(deadlineMs, unavailableDeadlineMs) : deadlineMs;
    const beganAt = performance.now();
    const listen = (): void => {
      if (Math.max(endedAt, options.heardAt()) < beganAt) onSilence();
    };
    let isLate = false;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        isLate = true;
        reject(new DatabaseError("unavailable", "TIMEOUT"));
        // A server that is only slow is heard of meanwhile.
        if (boundMs < silenceMs) setTimeout(listen, silenceMs - boundMs).unref();
        else listen();
      }, boundMs);
    });
    try {
      return await Promise.race([counted(() => work(() => isLate)), late]);
    } catch (thrown) {
      const error = scrubDatabaseError(thrown);
      isUnavailable = error instanceof DatabaseError && unavailableCodes.test(error.code);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    pending: () => pending,
    isUnavailable: () => isUnavailable,
    run: (work) => {
      const observed = async (span?: Span) => {
        const startedAt = performance.now();
        let outcome: DatabaseCall["outcome"] = "ok";
        try {
          return await bounded(work);
        } catch (error) {
          outcome = outcomeOf(error);
          if (span !== undefined) markFailed(span, error);
          throw error;
        } finally {
          span?.setAttribute("tenant_secrets.outcome", outcome).end();
          onCall({ pool, outcome, durationMs: performance.now() - startedAt });
        }
      };
      const attributes = { "db.system.name": "postgresql", "tenant_secrets.pool": pool };
      const tracer = findTracer("@repo/db");
      return tracer === undefined
        ? observed()
        : tracer.startActiveSpan(`postgresql ${pool}`, { kind: SpanKind.CLIENT, attributes }, observed);
    },
  };
}

function outcomeOf(error: unknown): DatabaseCall["outcome"] {
  if (!(error instanceof DatabaseError)) return "ok";
  return error.kind === "unavailable" ? "unavailable" : "failed";
}

/** By code only: a message can quote what it is about. */
function markFailed(span: Span, error: unknown): void {
  if (!(error instanceof DatabaseError)) return;
  span.setAttribute("error.type", error.code);
  span.setStatus({ code: SpanStatusCode.ERROR });
}
