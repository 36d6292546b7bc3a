import { createCredentials, randomText, type Credential } from "./credentials.ts";
import type { FaultQueue } from "./faults.ts";
import type { ProviderRequest } from "./local-provider.ts";
import type { Grant, TokenFamilies } from "./token-families.ts";

/** Its name is its client's. */
export interface AccessToken extends Credential, Grant {
  /** Undefined for one that a client got for itself. */
  readonly familyId: string | undefined;
  /** In milliseconds since 1970. */
  readonly expiresAt: number;
}

export interface AccessTokens {
  readonly lifetimeSeconds: number;
  create(grant: Grant & Pick<AccessToken, "familyId">, request?: ProviderRequest): AccessToken;
  /** Counts as a call. @returns undefined for a token that is refused now */
  use(value: string): AccessToken | undefined;
  /** Leaves another client's as it is. */
  revoke(value: string, clientId: string, request: ProviderRequest): void;
}

export function createAccessTokens(
  lifetimeSeconds: number,
  families: TokenFamilies,
  faults: FaultQueue,
): AccessTokens {
  const tokens = createCredentials<AccessToken>(faults);
  return {
    lifetimeSeconds,
    create({ clientId, subject, scope, familyId }, request) {
      const token = {
        id: `token_fake_${randomText(12)}`,
        name: clientId,
        value: `at_fake_${randomText(32)}`,
        clientId,
        subject,
        scope,
        familyId,
        expiresAt: Date.now() + lifetimeSeconds * 1000,
      };
      tokens.add(token, request);
      return token;
    },
    use(value) {
      const token = tokens.use(value);
      if (token === undefined || token.expiresAt <= Date.now()) return undefined;
      return token.familyId !== undefined && families.isRevoked(token.familyId) ? undefined : token;
    },
    revoke(value, clientId, request) {
      const token = tokens.all().find((one) => one.value === value);
      if (token?.clientId === clientId) tokens.remove(token.id, request);
    },
  };
}
