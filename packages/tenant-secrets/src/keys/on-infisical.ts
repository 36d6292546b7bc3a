import { InfisicalError } from "@repo/infisical";
import { TenantSecretsError } from "@repo/catalog";

/**
 * Asks Infisical, for what has no other answer.
 *
 * @param sentence what an operator reads, made of Infisical's code and what it means
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
