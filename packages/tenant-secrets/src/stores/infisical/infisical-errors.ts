import { InfisicalError } from "@repo/infisical";
import { type ErrorDetails, TenantSecretsError } from "@repo/catalog";

const where = "Infisical, where this company's secrets live,";

const spent =
  "This company's share of what Infisical answers in a minute is used up. Try again when that minute is over.";

/**
 * Does something in a company's folder in Infisical.
 *
 * @throws {TenantSecretsError} INVALID_VALUE for what Infisical does not take; FORBIDDEN, with the permission that is
 *   missing, where it refuses this service's machine identity; RATE_LIMITED where this company's share of its rate limit is
 *   used up; else STORE_UNAVAILABLE. `store` says whether it is known
 *   that nothing was changed
 */
export async function mapInfisicalErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof InfisicalError ? storeErrorOf(error) : error;
  }
}

function storeErrorOf(error: InfisicalError): TenantSecretsError {
  const { code, message } = error;
  const details: ErrorDetails = {
    store: code === "AMBIGUOUS" ? "unknown" : "unchanged",
    diagnosis: `InfisicalError ${code}`,
  };
  switch (code) {
    case "INVALID_INPUT":
      return new TenantSecretsError("INVALID_VALUE", `Infisical does not take this: ${message}`);
    case "FORBIDDEN":
      return new TenantSecretsError("FORBIDDEN", `${where} refused this service: ${message}.`, details);
    default: {
      const waiting = { ...details, retryAfterMs: error.retryAfterMs ?? 1000 };
      if (error.isOwnLimit === true) return new TenantSecretsError("RATE_LIMITED", spent, waiting);
      return new TenantSecretsError("STORE_UNAVAILABLE", `${where} ${adviceFor(code)}`, waiting);
    }
  }
}

function adviceFor(code: Exclude<InfisicalError["code"], "INVALID_INPUT" | "FORBIDDEN">): string {
  switch (code) {
    case "AMBIGUOUS":
      return "may or may not have made this change. It is not known: look at the secret before you try again.";
    case "UNAUTHORIZED":
      return "refuses this service's log-in. Tell an operator: the log and /readyz say what to do.";
    case "NOT_FOUND":
      return "does not know this service's project or environment. Tell an operator: the log and /readyz say what to do.";
    default:
      return "did not answer as it should. Try again in a moment.";
  }
}
