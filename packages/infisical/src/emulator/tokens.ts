import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { parseJson } from "../json.ts";
import type { Generation } from "./generation.ts";
import { notFound, tokenRefused, unauthorized } from "./refusal.ts";
import type { State, StoredIdentity } from "./state.ts";

const claims = z.object({
  identityId: z.string(),
  clientSecretId: z.string(),
  identityAccessTokenId: z.string(),
  authTokenType: z.literal("identityAccessToken"),
  /** When the first token of this chain of renewals was made, in seconds. */
  creationEpoch: z.number(),
  iat: z.number(),
  exp: z.number(),
});
type Claims = z.output<typeof claims>;

export interface TokenAnswer {
  readonly accessToken: string;
  readonly expiresIn: number;
  readonly accessTokenMaxTTL: number;
  readonly tokenType: "Bearer";
}

/** How long tokens live, unless their identity has settings of its own. */
export interface TokenLife {
  readonly tokenTtlMs: number;
  readonly tokenMaxTtlMs: number;
}

export interface Tokens {
  issue(identity: StoredIdentity): TokenAnswer;
  renew(token: string): TokenAnswer;
  revoke(token: string): void;
  /** Checks signature and expiry. */
  verify(token: string): Claims;
  /** Also checks that the server still accepts the token, counts this use, and returns the token's identity. */
  identify(held: Claims): StoredIdentity;
  /** Expires every token issued until now. */
  expireAll(): void;
}

const malformed =
  "The provided access token is malformed. Please use a valid token or generate a new one and try again.";

export function createTokens(state: State, life: TokenLife, generation: Generation): Tokens {
  const sign = (text: string) =>
    createHmac("sha256", Buffer.from(state.signingKey, "hex")).update(text).digest();
  const isKeptInMind = generation.tokensExpire === "in-memory";
  const lifeOf = ({ tokenTtlMs: ttlMs = life.tokenTtlMs, tokenMaxTtlMs }: StoredIdentity) => ({
    ttlMs,
    maxTtlMs: tokenMaxTtlMs ?? Math.max(ttlMs, life.tokenMaxTtlMs),
  });
  const renewedAt = new Map<string, number>();
  const uses = new Map<string, number>();
  let validFrom = 0;

  const answer = (
    held: Omit<Claims, "iat" | "exp">,
    { ttlMs, maxTtlMs }: { ttlMs: number; maxTtlMs: number },
  ): TokenAnswer => {
    const iat = Date.now() / 1_000;
    const exp = isKeptInMind ? held.creationEpoch + maxTtlMs / 1_000 : iat + ttlMs / 1_000;
    const text = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ ...held, iat, exp })}`;
    return {
      accessToken: `${text}.${sign(text).toString("base64url")}`,
      expiresIn: ttlMs / 1_000,
      accessTokenMaxTTL: maxTtlMs / 1_000,
      tokenType: "Bearer",
    };
  };

  const verify = (token: string): Claims => {
    if (token.startsWith("st.")) throw notFound("Service token not found");
    const [header, payload, signature, ...rest] = token.split(".");
    if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) {
      throw tokenRefused(malformed);
    }
    const algorithm = z.object({ alg: z.string() }).safeParse(decode(header)).data?.alg;
    const held = claims.safeParse(decode(payload)).data;
    if (algorithm === undefined || held === undefined) throw tokenRefused(malformed);
    if (signature === "") throw tokenRefused("jwt signature is required");
    if (algorithm !== "HS256") throw tokenRefused("The access token is signed with an invalid algorithm.");
    const given = Buffer.from(signature, "base64url");
    const right = sign(`${header}.${payload}`);
    if (given.length !== right.length || !timingSafeEqual(given, right))
      throw tokenRefused("invalid signature");
    if (held.exp <= Date.now() / 1_000 || (held.iat < validFrom && !isKeptInMind)) {
      throw tokenRefused("Your token has expired. Please re-authenticate.");
    }
    return held;
  };

  /** The identity of a token that is alive. Whatever ends a token's life ends it for good. */
  const ownerOf = (held: Claims): StoredIdentity => {
    const identity = state.identities.find(({ id }) => id === held.identityId);
    if (identity === undefined || state.deadTokens.includes(held.identityAccessTokenId)) {
      throw unauthorized("No identity access token found");
    }
    const lastAt = renewedAt.get(held.identityAccessTokenId) ?? held.iat * 1_000;
    const isOver = lastAt + lifeOf(identity).ttlMs <= Date.now() || lastAt < validFrom * 1_000;
    if (isKeptInMind && isOver) throw kill(held, "Failed to renew MI access token due to TTL expiration");
    return identity;
  };

  const kill = (held: Claims, message: string) => {
    state.deadTokens.push(held.identityAccessTokenId);
    return unauthorized(message);
  };

  return {
    verify,
    identify(held) {
      const identity = ownerOf(held);
      const used = (uses.get(held.identityAccessTokenId) ?? 0) + 1;
      uses.set(held.identityAccessTokenId, used);
      if (used > (identity.tokenUses ?? Infinity)) {
        throw kill(held, "Unable to renew because access token number of uses limit reached");
      }
      return identity;
    },
    issue: (identity) =>
      answer(
        {
          identityId: identity.id,
          clientSecretId: identity.clientId,
          identityAccessTokenId: randomUUID(),
          authTokenType: "identityAccessToken",
          creationEpoch: Date.now() / 1_000,
        },
        lifeOf(identity),
      ),
    renew(token) {
      const held = verify(token);
      const its = lifeOf(ownerOf(held));
      if (Date.now() + its.ttlMs > held.creationEpoch * 1_000 + its.maxTtlMs) {
        throw kill(held, "Failed to renew MI access token past its Max TTL expiration");
      }
      renewedAt.set(held.identityAccessTokenId, Date.now());
      const renewed = answer(held, its);
      return isKeptInMind ? { ...renewed, accessToken: token } : renewed;
    },
    revoke(token) {
      const held = verify(token);
      ownerOf(held);
      state.deadTokens.push(held.identityAccessTokenId);
    },
    expireAll() {
      validFrom = (Date.now() + 1) / 1_000;
    },
  };
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

const decode = (text: string) => parseJson(Buffer.from(text, "base64url").toString("utf8"));
