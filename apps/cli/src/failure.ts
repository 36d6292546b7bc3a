import type { ErrorCode } from "@repo/tenant-secrets/client";
import { printable } from "./output.ts";

/** What a script can tell apart. `secrets --help` says the same. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  conflict: 5,
  invalid: 6,
  unavailable: 7,
} as const;

const byErrorCode = {
  UNAUTHENTICATED: exitCodes.refused,
  FORBIDDEN: exitCodes.refused,
  COMPANY_SUSPENDED: exitCodes.refused,
  WRONG_REGION: exitCodes.refused,
  CONFIRMATION_REQUIRED: exitCodes.refused,
  APPROVAL_REQUIRED: exitCodes.refused,
  NOT_FOUND: exitCodes.notFound,
  UNKNOWN_SECRET_KEY: exitCodes.invalid,
  INVALID_INPUT: exitCodes.usage,
  INVALID_VALUE: exitCodes.invalid,
  CONFLICT: exitCodes.conflict,
  RATE_LIMITED: exitCodes.unavailable,
  NOT_SUPPORTED: exitCodes.usage,
  INTEGRITY_FAILURE: exitCodes.failed,
  MASTER_KEY_MISSING: exitCodes.failed,
  MASTER_KEY_MALFORMED: exitCodes.failed,
  MASTER_KEY_WRONG: exitCodes.failed,
  KEY_UNAVAILABLE: exitCodes.unavailable,
  KEY_DESTROYED: exitCodes.failed,
  STORE_UNAVAILABLE: exitCodes.unavailable,
  DATABASE_UNAVAILABLE: exitCodes.unavailable,
  AUDIT_UNAVAILABLE: exitCodes.unavailable,
  OVERLOADED: exitCodes.unavailable,
  INTERNAL: exitCodes.failed,
} as const satisfies Record<ErrorCode, number>;

/** Invalid arguments or environment variables. The message never repeats the input. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The command ran to its end but part of the work failed, as standard output reports. */
export class IncompleteError extends Error {
  override readonly name = "IncompleteError";
}

/** An end of a migration, with the exit code that `migrate --help` gives it. */
export class MigrationEnd extends Error {
  override readonly name = "MigrationEnd";
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

export interface Failure {
  readonly code: ErrorCode | "USAGE" | "INCOMPLETE" | "FINDINGS" | "INTERRUPTED";
  readonly message: string;
  readonly exitCode: number;
  readonly retryAfterMs?: number | undefined;
  readonly currentVersion?: number | undefined;
  readonly approvalId?: string | undefined;
  readonly homeRegion?: string | undefined;
  readonly homeAddress?: string | undefined;
}

/**
 * An error of the API in the words of the command line: where its message names fields of a request, the arguments that fill
 * them stand there.
 *
 * @param names of arguments, by field
 */
export async function inArguments(error: unknown, names: ReadonlyMap<string, string>): Promise<unknown> {
  if (error instanceof UsageError || error instanceof IncompleteError) return error;
  const { TenantSecretsError } = await import("@repo/tenant-secrets/client");
  if (!(error instanceof TenantSecretsError) || error.fields === undefined) return error;
  const known = error.fields.filter((field) => /^[A-Za-z]+$/.test(field) && names.has(field));
  if (known.length === 0) return error;
  // With what follows in a path, such as the place in a list.
  const named = new RegExp(String.raw`(?<![\w.-])(${known.join("|")})(?:\.\w+)*(?![\w-])`, "g");
  const message = error.message.replaceAll(named, (path, field: string) => names.get(field) ?? path);
  return new TenantSecretsError(error.code, message, error);
}

/** The report of an error. Of an unexpected one only class and code, because its message may contain secrets. */
export async function failureOf(error: unknown): Promise<Failure> {
  if (error instanceof UsageError)
    return { code: "USAGE", message: error.message, exitCode: exitCodes.usage };
  if (error instanceof IncompleteError)
    return { code: "INCOMPLETE", message: error.message, exitCode: exitCodes.failed };
  if (error instanceof MigrationEnd) return error.failure;
  const { TenantSecretsError } = await import("@repo/tenant-secrets/client");
  if (error instanceof TenantSecretsError) {
    const { code, message, retryAfterMs, currentVersion, approvalId, homeRegion, homeAddress } = error;
    const facts = { retryAfterMs, currentVersion, approvalId, homeRegion, homeAddress };
    return { code, message, exitCode: byErrorCode[code], ...facts };
  }
  const name = error instanceof Error ? error.name : typeof error;
  const code = error instanceof Error && "code" in error ? ` ${String(error.code)}` : "";
  return {
    code: "INTERNAL",
    message: `Something unforeseen happened: ${name}${code}.`,
    exitCode: exitCodes.failed,
  };
}

export function reportFailure(failure: Failure, json: boolean): void {
  const { exitCode: _, ...error } = failure;
  const currently = failure.currentVersion === undefined ? "" : ` (now at version ${failure.currentVersion})`;
  const text = json ? JSON.stringify({ error }) : `${failure.code}: ${failure.message}${currently}`;
  process.stderr.write(`${printable(text, "\n")}\n`);
}
