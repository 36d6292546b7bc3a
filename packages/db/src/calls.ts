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
  readonly onCall: (call: DatabaseCall) => void;
}

/** The calls of one pool. */
export interface Calls {
  /**
   * @param work gets to know whether the deadline has passed: what has not begun by then need not begin
   * @throws {DatabaseError} for what the database or driver did, unavailable when there are too many calls already or
   *   this one takes too long; and whatever else `work` throws
   */
  run<T>(work: (isLate: () => boolean) => Promise<T>): Promise<T>;
  /** How many the driver has not done with, those included whose caller was told that they took too long. */
  pending(): number;
}

/** Whoever has an SDK registered gets spans from here; for everybody else it does nothing. */
const tracer = trace.getTracer("@repo/db");

/**
 * Bounds the calls of a pool in number and time. A server that is slower than what is asked of it would otherwise be
 * asked for more and more, by callers who have all given up.
 */
export function createCalls({ pool, deadlineMs, maxPending, onCall }: CallOptions): Calls {
  let pending = 0;

  async function counted<T>(work: () => Promise<T>): Promise<T> {
    pending += 1;
    try {
      return await work();
    } finally {
      pending -= 1;
    }
  }

  async function bounded<T>(work: (isLate: () => boolean) => Promise<T>): Promise<T> {
    if (pending >= maxPending) throw new DatabaseError("unavailable", "TOO_MANY_PENDING");
    let isLate = false;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        isLate = true;
        reject(new DatabaseError("unavailable", "TIMEOUT"));
      }, deadlineMs);
    });
    try {
      return await Promise.race([counted(() => work(() => isLate)), late]);
    } catch (thrown) {
      throw scrubDatabaseError(thrown);
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    pending: () => pending,
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
