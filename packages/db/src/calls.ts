import { SpanKind, SpanStatusCode, trace, type Span } from "@opentelemetry/api";
import { DatabaseError, scrubDatabaseError } from "./errors.ts";

/** What became of one call, for whoever measures. */
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
  /** Whether the server is taken for away until a call succeeds. */
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
   * @param work gets to know whether the deadline has passed: what has not begun by then need not begin
   * @throws {DatabaseError} for what the database or driver did, unavailable when there are too many calls already, when
   *   this one takes too long, or at once while the server is away and enough calls try it; and whatever else `work` throws
   */
  run<T>(work: (isLate: () => boolean) => Promise<T>): Promise<T>;
  /** How many the driver has not done with, those included whose caller was told that they took too long. */
  pending(): number;
  /** Whether the server did not answer last time. */
  isUnavailable(): boolean;
}

/** Whoever has an SDK registered gets spans from here; for everybody else it does nothing. */
const tracer = trace.getTracer("@repo/db");

/** How long a call waits for a server that did not answer the one before: a request makes several, one after another. */
const unavailableDeadlineMs = 2000;

/** There is no server to be reached, none that takes connections, or none that answers. */
const away = /^(?:ECONNREFUSED|CONNECT_TIMEOUT|ETIMEDOUT|ENOTFOUND|EAI_|EHOST|TIMEOUT|57P03|53300)/;

/**
 * Bounds the calls of a pool in number and time. A server that is slower than what is asked of it would otherwise be
 * asked for more and more, by callers who have all given up. While it does not answer at all, one call for each
 * connection goes on trying, and others are not kept waiting.
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
    if (isUnavailable && pending >= connections) throw new DatabaseError("unavailable", "AWAY");
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
      isUnavailable = error instanceof DatabaseError && away.test(error.code);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    pending: () => pending,
    isUnavailable: () => isUnavailable,
    run: (work) =>
      tracer.startActiveSpan(
        `postgresql ${pool}`,
        {
          kind: SpanKind.CLIENT,
          attributes: { "db.system.name": "postgresql", "tenant_secrets.pool": pool },
        },
        async (span) => {
          const startedAt = performance.now();
          let outcome: DatabaseCall["outcome"] = "ok";
          try {
            return await bounded(work);
          } catch (error) {
            outcome = outcomeOf(error);
            markFailed(span, error);
            throw error;
          } finally {
            span.setAttribute("tenant_secrets.outcome", outcome);
            span.end();
            onCall({ pool, outcome, durationMs: performance.now() - startedAt });
          }
        },
      ),
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
