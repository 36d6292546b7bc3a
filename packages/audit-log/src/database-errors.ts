import { DatabaseError } from "@repo/db";
import { keyDestroyed, KeyReplacedError, TenantSecretsError } from "@repo/catalog";

/**
 * For the outermost `catch` around work with the database, whose functions throw what the database does.
 *
 * @throws {TenantSecretsError} DATABASE_UNAVAILABLE when the same call may succeed later, OVERLOADED where the company asks for
 *   too much at once, else INTERNAL; our own errors as they are
 */
export function throwTenantSecretsError(error: unknown): never {
  throw asTenantSecretsError(error);
}

/** Whether an operation failed because the database is unavailable. */
export function isDatabaseUnavailable(error: unknown): boolean {
  const isKnown = error instanceof TenantSecretsError || error instanceof DatabaseError;
  return isKnown && asTenantSecretsError(error).code === "DATABASE_UNAVAILABLE";
}

/** Whether an operation failed because its store, the database or Infisical, is unavailable or refuses this service. */
export function isStoreUnavailable(error: unknown): boolean {
  if (isDatabaseUnavailable(error)) return true;
  return (
    error instanceof TenantSecretsError && (error.code === "STORE_UNAVAILABLE" || error.store !== undefined)
  );
}

/** The error that may reach a caller: ours as it is, an unavailable database as such, any other with a fixed message. */
export function asTenantSecretsError(error: unknown): TenantSecretsError {
  if (error instanceof TenantSecretsError) return error;
  if (error instanceof DatabaseError && error.code === "COMPANY_BUSY") {
    return new TenantSecretsError(
      "OVERLOADED",
      "More is asked for at once than one company, or one address that guesses, may. Try again in a moment, with fewer calls at a time.",
      { retryAfterMs: 1000 },
    );
  }
  if (error instanceof DatabaseError && error.kind === "unavailable") {
    return new TenantSecretsError(
      "DATABASE_UNAVAILABLE",
      "The database cannot be reached. Try again in a moment.",
      {
        retryAfterMs: 1000,
      },
    );
  }
  // A trigger refuses to encrypt under a destroyed key that a process still holds in memory.
  if (error instanceof DatabaseError && error.constraint === "company_key_destroyed") return keyDestroyed();
  if (error instanceof DatabaseError && error.constraint === "company_key_not_active")
    return new KeyReplacedError();
  return new TenantSecretsError(
    "INTERNAL",
    "Something went wrong on our side. Tell an operator, with the request id if there is one.",
    {
      diagnosis: diagnosisOf(error),
    },
  );
}

/** The class and code of an error. Its message is dropped, because it may hold a value. */
function diagnosisOf(error: unknown): string {
  if (error instanceof DatabaseError) return error.message;
  return error instanceof Error ? error.name : typeof error;
}
