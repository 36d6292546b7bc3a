import type { ApiInputs } from "@repo/tenant-secrets/client";

export type Identity = Omit<ApiInputs["regions"]["add"], "fingerprint">;

/**
 * What an operator of another region copied. Its own fingerprint is left out: it came the same way as the rest.
 *
 * @returns undefined for another text; the API says what is wrong with a single field
 */
export function readIdentity(text: string): Identity | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const field = (name: string): unknown => new Map<string, unknown>(Object.entries(parsed)).get(name);
  const [region, address] = [field("region"), field("address")];
  const [transportKeyVersion, transportKey] = [field("transportKeyVersion"), field("transportKey")];
  const [signingKeyVersion, signingKey] = [field("signingKeyVersion"), field("signingKey")];
  if (typeof region !== "string" || typeof address !== "string") return undefined;
  if (typeof transportKeyVersion !== "number" || typeof transportKey !== "string") return undefined;
  if (typeof signingKeyVersion !== "number" || typeof signingKey !== "string") return undefined;
  return { region, address, transportKeyVersion, transportKey, signingKeyVersion, signingKey };
}
