import { createHmac, timingSafeEqual } from "node:crypto";
import type { SignatureScheme } from "../catalog/entry.ts";
import { TenantSecretsError } from "../vocabulary/errors.ts";

/** A webhook as it came in. The body is the bytes of the request: parsed and written again, it is another one. */
export interface WebhookRequest {
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** A version of a signing secret that counts now. */
export interface SigningSecret {
  readonly version: number;
  readonly text: string;
}

export interface WebhookVerificationOptions {
  /** How far the time in the signature may be from `now`, either way. Default: five minutes. */
  readonly toleranceMs?: number;
  /** In milliseconds since 1970. Default: the clock of this process. */
  readonly now?: number;
}

/** What a request claims: signed when, over what, and the signatures that are offered. */
interface Claim {
  /** In seconds since 1970. */
  readonly timestamp: number;
  /** What is signed in front of the body. */
  readonly prefix: string;
  readonly signatures: readonly string[];
}

interface Scheme {
  /** @returns undefined where a header is missing or not of the scheme's form */
  readonly readClaim: (headers: Headers) => Claim | undefined;
  /** @returns undefined for a text that is no secret of this scheme: with an empty or short key, anybody could sign */
  readonly keyOf: (secret: string) => Buffer | undefined;
  readonly encoding: "base64" | "hex";
}

/**
 * Verifies that a webhook was signed with one of these secrets, over exactly these bytes, within the tolerance. The
 * libraries of both schemes read the body as text, where different bytes can be the same, and the one of Stripe lets
 * a time in the future pass: so the two lines of HMAC are here, and the libraries are what the tests hold them against.
 *
 * That a message comes a second time within the tolerance is for the receiver to notice, by its id.
 *
 * @returns the first of the secrets that verified
 * @throws {TenantSecretsError} UNAUTHENTICATED
 */
export function verifyWebhook<Secret extends SigningSecret>(
  scheme: SignatureScheme,
  secrets: readonly Secret[],
  { headers, body }: WebhookRequest,
  { toleranceMs = 300_000, now = Date.now() }: WebhookVerificationOptions = {},
): Secret {
  const { readClaim, keyOf, encoding } = schemes[scheme];
  const claim = readClaim(headers);
  if (claim === undefined) throw refusal("its signature headers are missing or malformed");
  // Not `>`, which lets NaN pass.
  if (!(Math.abs(now - claim.timestamp * 1000) <= toleranceMs)) {
    throw refusal("the time of its signature is too far from now");
  }
  for (const secret of secrets) {
    const key = keyOf(secret.text);
    if (key === undefined) continue;
    const expected = createHmac("sha256", key).update(claim.prefix).update(body).digest(encoding);
    key.fill(0);
    if (claim.signatures.some((signature) => isSame(signature, expected))) return secret;
  }
  throw refusal("no secret that counts now made its signature");
}

/** Compared as text, so that one signature has one spelling. */
function isSame(signature: string, expected: string): boolean {
  const [a, b] = [Buffer.from(signature), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function refusal(reason: string): TenantSecretsError {
  return new TenantSecretsError("UNAUTHENTICATED", `The webhook was refused: ${reason}.`);
}

/** Digits as they are signed: no sign, no zero in front, no fraction. */
const secondsSince1970 = /^[1-9]\d{0,11}$/;

const schemes: Readonly<Record<SignatureScheme, Scheme>> = {
  "standard-webhooks": {
    readClaim: (headers) => {
      const id = headers.get("webhook-id") ?? "";
      const timestamp = headers.get("webhook-timestamp") ?? "";
      // With a dot in it, an id could take over a part of what follows.
      if (!/^[\x21-\x2d\x2f-\x7e]{1,256}$/.test(id) || !secondsSince1970.test(timestamp)) return undefined;
      return {
        timestamp: Number(timestamp),
        prefix: `${id}.${timestamp}.`,
        signatures: valuesOf((headers.get("webhook-signature") ?? "").split(" "), "v1,"),
      };
    },
    keyOf: (secret) => {
      const base64 = /^whsec_([A-Za-z0-9+/]{22,}={0,2})$/.exec(secret)?.[1];
      return base64 === undefined ? undefined : Buffer.from(base64, "base64");
    },
    encoding: "base64",
  },
  stripe: {
    readClaim: (headers) => {
      const parts = (headers.get("stripe-signature") ?? "").split(",");
      const [timestamp = "", ...others] = valuesOf(parts, "t=");
      if (!secondsSince1970.test(timestamp) || others.length > 0) return undefined;
      return {
        timestamp: Number(timestamp),
        prefix: `${timestamp}.`,
        signatures: valuesOf(parts, "v1="),
      };
    },
    keyOf: (secret) => (/^whsec_\w{16,}$/.test(secret) ? Buffer.from(secret) : undefined),
    encoding: "hex",
  },
};

function valuesOf(parts: readonly string[], prefix: string): string[] {
  return parts.filter((part) => part.startsWith(prefix)).map((part) => part.slice(prefix.length));
}
