import createClient from "openapi-fetch";
import type { paths } from "./api.d.ts";

/** A client that has nothing of Tenant Secrets but `docs/openapi.json`: a service of another team. */
export function createSecretsApi(baseUrl: string, apiKey: string) {
  return createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${apiKey}` } });
}

export type SecretsApi = ReturnType<typeof createSecretsApi>;

/**
 * Renews a token of a company, if its current version is the one that was seen.
 *
 * @returns the version that it has now, and whether this call made it
 * @throws {Error} with the reason of any other refusal
 */
export async function renewToken(
  api: SecretsApi,
  renewal: { readonly company: string; readonly value: string; readonly seen: number },
): Promise<{ readonly version: number; readonly renewed: boolean }> {
  const { company, value, seen } = renewal;
  const { data, error } = await api.POST("/api/v1/secrets.write", {
    body: { company, secretKey: "CUSTOM_TOKEN", value, expectedVersion: seen },
  });
  if (data !== undefined) return { version: data.version, renewed: true };
  const { reason, currentVersion } = error.error;
  if (reason === "CONFLICT" && currentVersion !== undefined) {
    return { version: currentVersion, renewed: false };
  }
  throw new Error(reason);
}
