import postgres from "postgres";

export type DatabaseErrorKind = "unavailable" | "constraint" | "other";

/**
 * A database error without data. PostgreSQL's `detail` quotes rows and drizzle's message quotes parameters, so both are
 * dropped, and the original error is not attached as a cause.
 */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";
  readonly kind: DatabaseErrorKind;
  /** SQLSTATE (PostgreSQL, appendix A) or the driver's own code, such as CONNECTION_CLOSED. */
  readonly code: string;
  readonly constraint: string | undefined;

  constructor(kind: DatabaseErrorKind, code: string, constraint?: string) {
    super(`database error ${code}${constraint === undefined ? "" : ` (${constraint})`}`);
    this.kind = kind;
    this.code = code;
    this.constraint = constraint;
  }
}

/** Classes and codes after which the same call may succeed later: lost, full, read-only or overloaded servers. */
const unavailable =
  /^(08|53|57P|57014|55P03|40001|40P01|25006|25P03|58)|^(CONNECT|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_|EHOST)/;

/** Returns a {@link DatabaseError} for whatever the driver or drizzle threw, and anything else unchanged. */
export function scrubDatabaseError(thrown: unknown): unknown {
  const root = rootOf(thrown);
  if (root instanceof postgres.PostgresError) {
    const kind =
      unavailable.test(root.code) || isStale(root)
        ? "unavailable"
        : root.code.startsWith("23")
          ? "constraint"
          : "other";
    return new DatabaseError(kind, root.code, root.constraint_name);
  }
  const code = codeOf(root);
  if (code !== undefined && unavailable.test(code)) return new DatabaseError("unavailable", code);
  if (root !== thrown || code !== undefined) return new DatabaseError("other", code ?? "QUERY_FAILED");
  return thrown;
}

/** A statement that was prepared before a migration, or on another connection of a pooler. Preparing it again fixes it. */
function isStale({ code, routine }: postgres.PostgresError): boolean {
  return code === "26000" || (code === "0A000" && routine === "RevalidateCachedQuery");
}

function rootOf(thrown: unknown): unknown {
  const wrapped = thrown instanceof Error && thrown.message.startsWith("Failed query:");
  return wrapped ? (thrown.cause ?? new Error("query failed")) : thrown;
}

/**
 * The driver's and the socket's errors are plain ones with a string code (an AggregateError where a host name has
 * several addresses). Subclasses come from elsewhere.
 */
function codeOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error && "code" in thrown && typeof thrown.code === "string")) return undefined;
  const { code } = thrown;
  const isPlain = thrown instanceof AggregateError || thrown.constructor === Error;
  // Node's own errors of TLS are of a class that it does not export.
  return isPlain || /^ERR_(?:TLS|SSL|OSSL)/.test(code) ? code : undefined;
}
