import type { Administration, Caller, Catalog } from "@repo/tenant-secrets";
import { readApiUrl, readCredential } from "./env.ts";
import { UsageError } from "./failure.ts";

type Work<T> = (secrets: Administration<Catalog>, caller: Caller) => Promise<T>;

/**
 * For commands that need the database and Infisical themselves.
 *
 * @param sentence what the API does not do, such as "Keys are not rotated"
 * @throws {UsageError} where TENANT_SECRETS_URL is set
 */
export function rejectApiUrl(sentence: string): void {
  if (readApiUrl() === undefined) return;
  throw new UsageError(
    `${sentence} through an API: unset TENANT_SECRETS_URL, and run this with the database's and Infisical's variables.`,
  );
}

/** Runs `work` in this process as the operator whose token TENANT_SECRETS_OPERATOR_TOKEN holds. @throws {UsageError} */
export async function asOperator<T>(work: Work<T>): Promise<T> {
  const credential = readCredential("TENANT_SECRETS_OPERATOR_TOKEN");
  const { openServices } = await import("./open-services.ts");
  await using opened = await openServices();
  return await work(opened.secrets.admin, await opened.secrets.authenticate({ credential }));
}

/** As {@link asOperator}, without a credential: access to the database's variables is enough. */
export async function asCommandLine<T>(work: Work<T>): Promise<T> {
  const { openServices } = await import("./open-services.ts");
  const { systemCaller } = await import("@repo/tenant-secrets");
  await using opened = await openServices();
  return await work(opened.secrets.admin, systemCaller("command-line", { verbs: [], secretKeys: [] }));
}
