import { createHmac } from "node:crypto";
import { sameBytes } from "@repo/envelope";
import type { WebhookVerifier, WebhookVerifiers } from "./webhook-verification.ts";

/**
 * The built-in signature schemes, all of them HMAC-SHA256:
 *
 * - `standard-webhooks`, https://www.standardwebhooks.com, with the headers `webhook-…` or Svix's own `svix-…`;
 * - `stripe`, https://docs.stripe.com/webhooks#verify-manually;
 * - `github`, `x-hub-signature-256`, https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries;
 * - `slack`, https://api.slack.com/authentication/verifying-requests-from-slack.
 *
 * GitHub signs no time, so that no delivery expires: the receiver detects replays by `x-github-delivery`.
 */
export function webhookVerifiers(): WebhookVerifiers {
  return {
    "standard-webhooks": hmacVerifier(standardWebhooks),
    stripe: hmacVerifier(stripe),
    github: hmacVerifier(github),
    slack: hmacVerifier(slack),
  };
}

/** The signed content of a request, and its claimed signatures. */
interface Claim {
  /** Seconds since 1970; undefined if the scheme signs no time. */
  readonly timestamp: number | undefined;
  /** The signed text in front of the body. */
  readonly prefix: string;
  readonly signatures: readonly string[];
}

interface HmacScheme {
  /** @returns undefined if a header is missing or malformed */
  readonly readClaim: (headers: Headers) => Claim | undefined;
  /** @returns undefined for a text that is no secret of this scheme: signatures under an empty or short key can be forged */
  readonly keyOf: (secret: string) => Buffer | undefined;
  readonly encoding: "base64" | "hex";
}

/**
 * HMAC is computed here because the libraries of Standard Webhooks and Stripe read the body as text, in which different bytes
 * can be equal, and Stripe's accepts times in the future. The tests compare this code with both libraries.
 */
function hmacVerifier({ readClaim, keyOf, encoding }: HmacScheme): WebhookVerifier {
  return ({ headers, body }, secret, { now, toleranceMs }) => {
    const claim = readClaim(headers);
    if (claim === undefined) return "malformed";
    // Not `>`, which would accept NaN.
    if (claim.timestamp !== undefined && !(Math.abs(now - claim.timestamp * 1000) <= toleranceMs)) {
      return "wrong-time";
    }
    const key = keyOf(secret);
    if (key === undefined) return "wrong-signature";
    const expected = createHmac("sha256", key).update(claim.prefix).update(body).digest(encoding);
    key.fill(0);
    // Compared as text, so that each signature has exactly one accepted spelling.
    return claim.signatures.some((signature) => sameBytes(signature, expected))
      ? "verified"
      : "wrong-signature";
  };
}

/** Digits as they are signed: no sign, no leading zero, no fraction. */
const secondsSince1970 = /^[1-9]\d{0,11}$/;

const standardWebhooks: HmacScheme = {
  readClaim: (headers) => {
    const brand = ["webhook", "svix"].find((name) => headers.has(`${name}-signature`));
    const id = headers.get(`${brand}-id`) ?? "";
    const timestamp = headers.get(`${brand}-timestamp`) ?? "";
    // An id with a dot could absorb a part of the signed text.
    if (!/^[\x21-\x2d\x2f-\x7e]{1,256}$/.test(id) || !secondsSince1970.test(timestamp)) return undefined;
    return {
      timestamp: Number(timestamp),
      prefix: `${id}.${timestamp}.`,
      signatures: valuesOf((headers.get(`${brand}-signature`) ?? "").split(" "), "v1,"),
    };
  },
  keyOf: (secret) => {
    const base64 = /^whsec_([A-Za-z0-9+/]{22,}={0,2})$/.exec(secret)?.[1];
    return base64 === undefined ? undefined : Buffer.from(base64, "base64");
  },
  encoding: "base64",
};

const stripe: HmacScheme = {
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
};

const github: HmacScheme = {
  readClaim: (headers) => {
    const signature = /^sha256=([0-9a-f]{64})$/.exec(headers.get("x-hub-signature-256") ?? "")?.[1];
    return signature === undefined
      ? undefined
      : { timestamp: undefined, prefix: "", signatures: [signature] };
  },
  keyOf: (secret) => (secret.length >= 16 ? Buffer.from(secret) : undefined),
  encoding: "hex",
};

const slack: HmacScheme = {
  readClaim: (headers) => {
    const timestamp = headers.get("x-slack-request-timestamp") ?? "";
    const signature = /^v0=([0-9a-f]{64})$/.exec(headers.get("x-slack-signature") ?? "")?.[1];
    if (!secondsSince1970.test(timestamp) || signature === undefined) return undefined;
    return { timestamp: Number(timestamp), prefix: `v0:${timestamp}:`, signatures: [signature] };
  },
  keyOf: (secret) => (/^\w{32,}$/.test(secret) ? Buffer.from(secret) : undefined),
  encoding: "hex",
};

function valuesOf(parts: readonly string[], prefix: string): string[] {
  return parts.filter((part) => part.startsWith(prefix)).map((part) => part.slice(prefix.length));
}
