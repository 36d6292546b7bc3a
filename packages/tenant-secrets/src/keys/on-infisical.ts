import { InfisicalError } from "@repo/infisical";
import { TenantSecretsError } from "@repo/catalog";

/**
 * Calls Infisical, and maps every failure to one error.
 *
 * @param sentence the message for an operator, given Infisical's code and its meaning
 * @throws {TenantSecretsError} `code`
 */
export async function mapInfisicalErrors<T>(
  work: () => Promise<T>,
  code: "KEY_UNAVAILABLE" | "STORE_UNAVAILABLE",
  sentence: (answer: string) => string,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof InfisicalError)) throw error;
    throw new TenantSecretsError(code, sentence(`${error.code} (${error.message})`), {
      retryAfterMs: error.retryAfterMs ?? 1000,
      diagnosis: `InfisicalError ${error.code}`,
    });
  }
}
