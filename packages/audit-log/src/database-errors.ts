import { DatabaseError } from "@repo/db";
import { keyDestroyed, KeyReplacedError, TenantSecretsError } from "@repo/catalog";

/**
 * For the outermost `catch` of what works with the database: what is called from there throws what the database did.
 *
 * @throws {TenantSecretsError} DATABASE_UNAVAILABLE when the same call may succeed later, OVERLOADED where the company asks for
 *   too much at once, else INTERNAL; our own errors as they are
 */
export function throwTenantSecretsError(error: unknown): never {
  throw asTenantSecretsError(error);
}

/** Whether what was asked for failed because the database could not be asked. */
export function isDatabaseUnavailable(error: unknown): boolean {
  const isKnown = error instanceof TenantSecretsError || error instanceof DatabaseError;
  return isKnown && asTenantSecretsError(error).code === "DATABASE_UNAVAILABLE";
}

/** Whether it failed because the place where it is, the database or Infisical, could not be asked, or refused this service. */
export function isStoreUnavailable(error: unknown): boolean {
  if (isDatabaseUnavailable(error)) return true;
  return (
    error instanceof TenantSecretsError && (error.code === "STORE_UNAVAILABLE" || error.store !== undefined)
  );
}

/** What may reach a caller: our own errors as they are, a lost database as such, anything else as a fixed text. */
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
  // The database refuses to seal under a destroyed key, whoever still has it in memory.
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

/** An error's class and code. Its message may hold a value, and is left behind. */
function diagnosisOf(error: unknown): string {
  if (error instanceof DatabaseError) return error.message;
  return error instanceof Error ? error.name : typeof error;
}
