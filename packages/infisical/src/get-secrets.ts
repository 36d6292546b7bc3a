import { createInfisicalClient } from "./client.ts";
import type { InfisicalClient, InfisicalEnvironment } from "./client.ts";
import { environmentVariables } from "./env.ts";
import { readInfisicalConnection } from "./variables.ts";

const clients = new Map<InfisicalEnvironment, InfisicalClient>();

/**
 * The secrets of a folder by name, read with the client that the environment variables describe
 * (`INFISICAL_SITE_URL`, `INFISICAL_CLIENT_ID`, `INFISICAL_CLIENT_SECRET`, `INFISICAL_PROJECT_ID`). The client is
 * created at the first call and reused, one per environment.
 *
 * @param path absolute, such as "/tenants/acmecorp"; a missing folder has no secrets
 * @returns an object without a prototype, so that only names of secrets are keys
 * @throws {EnvironmentError} when a variable is missing
 * @throws {InfisicalError} as `InfisicalClient.listSecrets`
 */
export async function getSecrets(
  path: string,
  environment: InfisicalEnvironment,
): Promise<Record<string, string>> {
  const secrets: Record<string, string> = Object.create(null);
  for (const { secretKey, value } of await clientFor(environment).listSecrets(path))
    secrets[secretKey] = value;
  return secrets;
}

function clientFor(environment: InfisicalEnvironment): InfisicalClient {
  const known = clients.get(environment);
  if (known !== undefined) return known;
  const client = createInfisicalClient({ ...readInfisicalConnection(environmentVariables()), environment });
  clients.set(environment, client);
  return client;
}
