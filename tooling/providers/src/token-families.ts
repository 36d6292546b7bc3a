import { createHash } from "node:crypto";
import { randomText, type LiveCredential } from "./credentials.ts";

/** What a person agreed to. */
export interface Grant {
  readonly clientId: string;
  readonly subject: string;
  readonly scope: string;
}

/** All refresh tokens that come from one consent. */
export interface Family extends Grant {
  readonly id: string;
}

export interface FamilyOptions {
  /** Whether each use of a refresh token gives another one, and ends this one. Default true. */
  readonly rotates?: boolean;
  /** How long a used refresh token may be used again, as after a lost answer. Default 0. */
  readonly leewaySeconds?: number;
  /** How long a refresh token lives that is not used. Default: for ever. */
  readonly idleSeconds?: number;
}

export interface TokenFamilies {
  begin(grant: Grant): { readonly family: Family; readonly refreshToken: string };
  /**
   * A used token that comes in again after the leeway revokes its family, the newest token included: one of two that have it
   * is a thief.
   *
   * @returns undefined for a token that is unknown, revoked, too old, used or another client's
   */
  exchange(
    refreshToken: string,
    clientId: string,
  ): { readonly family: Family; readonly refreshToken: string } | undefined;
  /** @returns the family, which is revoked now; undefined for an unknown token and another client's */
  revoke(refreshToken: string, clientId?: string): Family | undefined;
  isRevoked(familyId: string): boolean;
  /** The tokens that can be exchanged, without those in their leeway. */
  live(): readonly LiveCredential[];
  /** The families that a second use of a token revoked. */
  revokedByReuse(): number;
}

interface Token {
  readonly family: Family;
  readonly createdAt: number;
  usedAt?: number;
}

export function createTokenFamilies({
  rotates = true,
  leewaySeconds = 0,
  idleSeconds = Infinity,
}: FamilyOptions): TokenFamilies {
  const tokens = new Map<string, Token>();
  const revoked = new Set<string>();
  let reuses = 0;

  function give(family: Family): { readonly family: Family; readonly refreshToken: string } {
    const refreshToken = `rt_fake_${randomText(32)}`;
    tokens.set(refreshToken, { family, createdAt: performance.now() });
    return { family, refreshToken };
  }
  function find(refreshToken: string, clientId: string | undefined): Token | undefined {
    const token = tokens.get(refreshToken);
    return clientId === undefined || token?.family.clientId === clientId ? token : undefined;
  }
  const isAlive = ({ family, createdAt }: Token) =>
    !revoked.has(family.id) && performance.now() - createdAt < idleSeconds * 1000;

  return {
    begin: (grant) => give({ ...grant, id: `family_fake_${randomText(12)}` }),
    exchange(refreshToken, clientId) {
      const token = find(refreshToken, clientId);
      if (token === undefined || !isAlive(token)) return undefined;
      const { family, usedAt } = token;
      if (!rotates) {
        tokens.set(refreshToken, { family, createdAt: performance.now() });
        return { family, refreshToken };
      }
      if (usedAt !== undefined && performance.now() - usedAt >= leewaySeconds * 1000) {
        revoked.add(family.id);
        reuses += 1;
        return undefined;
      }
      token.usedAt ??= performance.now();
      return give(family);
    },
    revoke(refreshToken, clientId) {
      const family = find(refreshToken, clientId)?.family;
      if (family !== undefined) revoked.add(family.id);
      return family;
    },
    isRevoked: (familyId) => revoked.has(familyId),
    live: () =>
      [...tokens]
        .filter(([, token]) => token.usedAt === undefined && isAlive(token))
        .map(([value, { family }]) => ({
          id: family.id,
          name: family.clientId,
          fingerprint: createHash("sha256").update(value).digest("hex"),
        })),
    revokedByReuse: () => reuses,
  };
}
