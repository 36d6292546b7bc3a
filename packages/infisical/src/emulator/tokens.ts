import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { parseJson } from "../json.ts";
import { tokenRefused, unauthorized } from "./refusal.ts";
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

export interface Tokens {
  issue(identity: StoredIdentity): TokenAnswer;
  renew(token: string): TokenAnswer;
  revoke(token: string): void;
  /** Checks signature and expiry. */
  verify(token: string): Claims;
  /** Checks also that the token was not revoked, and finds whose it is. */
  identify(held: Claims): StoredIdentity;
  /** Every token issued until now counts as expired. */
  expireAll(): void;
}

const malformed =
  "The provided access token is malformed. Please use a valid token or generate a new one and try again.";

export function createTokens(state: State, ttlMs: number, maxTtlMs: number): Tokens {
  const sign = (text: string) =>
    createHmac("sha256", Buffer.from(state.signingKey, "hex")).update(text).digest();
  let validFrom = 0;

  const answer = (held: Omit<Claims, "iat" | "exp">): TokenAnswer => {
    const iat = Date.now() / 1_000;
    const payload = { ...held, iat, exp: iat + ttlMs / 1_000 };
    const text = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(payload)}`;
    return {
      accessToken: `${text}.${sign(text).toString("base64url")}`,
      expiresIn: ttlMs / 1_000,
      accessTokenMaxTTL: maxTtlMs / 1_000,
      tokenType: "Bearer",
    };
  };

  const verify = (token: string): Claims => {
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
    if (held.exp <= Date.now() / 1_000 || held.iat < validFrom) {
      throw tokenRefused("Your token has expired. Please re-authenticate.");
    }
    return held;
  };

  const identify = (held: Claims): StoredIdentity => {
    const identity = state.identities.find(({ id }) => id === held.identityId);
    if (identity === undefined || state.deadTokens.includes(held.identityAccessTokenId)) {
      throw unauthorized("No identity access token found");
    }
    return identity;
  };

  return {
    verify,
    identify,
    issue: (identity) =>
      answer({
        identityId: identity.id,
        clientSecretId: identity.clientId,
        identityAccessTokenId: randomUUID(),
        authTokenType: "identityAccessToken",
        creationEpoch: Date.now() / 1_000,
      }),
    renew(token) {
      const held = verify(token);
      identify(held);
      if (Date.now() + ttlMs > held.creationEpoch * 1_000 + maxTtlMs) {
        state.deadTokens.push(held.identityAccessTokenId);
        throw unauthorized("Failed to renew MI access token past its Max TTL expiration");
      }
      return answer(held);
    },
    revoke(token) {
      const held = verify(token);
      identify(held);
      state.deadTokens.push(held.identityAccessTokenId);
    },
    expireAll() {
      validFrom = (Date.now() + 1) / 1_000;
    },
  };
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

const decode = (text: string) => parseJson(Buffer.from(text, "base64url").toString("utf8"));
