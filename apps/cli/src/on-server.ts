import { UsageError } from "./failure.ts";

/**
 * Works as a role of a server that sets things up. PostgreSQL's message names roles, tables and rules; its detail, which quotes
 * rows, is left behind.
 *
 * @param variable that holds the URL, for the sentence of an error
 * @throws {UsageError} for a name that does not fit
 * @throws {TenantSecretsError} DATABASE_UNAVAILABLE; CONFLICT with a sentence of ours; INTERNAL
 */
export async function onServer<T>(
  { variable, url }: { readonly variable: string; readonly url: string },
  work: () => Promise<T>,
): Promise<T> {
  const { ConnectionProblem, inspectConnection } = await import("@repo/db");
  try {
    // Whatever is wrong with the connection has a sentence of its own.
    await inspectConnection({ variable, url, connections: 2 });
    return await work();
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    const root = error instanceof Error && error.message.startsWith("Failed query") ? error.cause : error;
    const code = root instanceof Error && "code" in root ? String(root.code) : "";
    const { TenantSecretsError } = await import("@repo/tenant-secrets/client");
    if (error instanceof ConnectionProblem)
      throw new TenantSecretsError(error.isUnavailable ? "DATABASE_UNAVAILABLE" : "INTERNAL", error.message);
    const message = root instanceof Error ? root.message : "no reason given";
    if (code === "" && root instanceof Error && root.constructor === Error)
      throw new TenantSecretsError("CONFLICT", message);
    throw new TenantSecretsError(
      "INTERNAL",
      `The database server refused: ${message}${code && ` (${code})`}.`,
    );
  }
}
