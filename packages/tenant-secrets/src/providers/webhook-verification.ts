import { type Catalog, TenantSecretsError } from "@repo/catalog";

/** A received webhook. The body is the request's raw bytes: parsing and serializing it again changes the signed content. */
export interface WebhookRequest {
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** An active version of a signing secret. */
export interface SigningSecret {
  readonly version: number;
  readonly text: string;
}

export interface WebhookVerificationOptions {
  /** Milliseconds that the signed time may differ from `now`, in either direction. Default: five minutes. */
  readonly toleranceMs?: number;
  /** Milliseconds since 1970. Default: the process's clock. */
  readonly now?: number;
}

/**
 * A verifier's result for one request and one secret. `malformed`: the signature headers are missing or malformed.
 * `wrong-time`: the signed time is outside the tolerance, if the scheme signs one.
 */
export type WebhookVerdict = "verified" | "malformed" | "wrong-time" | "wrong-signature";

/**
 * Verifies a webhook with one secret, over exactly these bytes. Its errors mean `wrong-signature` and are discarded. A verifier
 * must compare signatures in constant time (`timingSafeEqual`), and refuse a text that is no secret of the scheme: signatures
 * under an empty key can be forged.
 *
 * @param secret the value of the signing secret in its stored form
 */
export type WebhookVerifier = (
  request: WebhookRequest,
  secret: string,
  options: Required<WebhookVerificationOptions>,
) => WebhookVerdict;

/** Verifiers by the names used in the `signatures` of catalogue entries. */
export type WebhookVerifiers = Readonly<Record<string, WebhookVerifier>>;

/** Called at startup. @throws {TypeError} if an entry names a verifier that does not exist */
export function requireVerifiers(catalog: Catalog, verifiers: WebhookVerifiers): void {
  for (const [secretKey, { signatures }] of Object.entries(catalog.entries)) {
    if (signatures !== undefined && !Object.hasOwn(verifiers, signatures)) {
      throw new TypeError(
        `The entry of ${secretKey} names the webhook verifier "${signatures}", which is not among the verifiers given`,
      );
    }
  }
}

/** @throws {TenantSecretsError} UNKNOWN_SECRET_KEY, or NOT_SUPPORTED if the entry names no signature scheme */
export function getVerifier(
  catalog: Catalog,
  verifiers: WebhookVerifiers,
  secretKey: string,
): WebhookVerifier {
  const { signatures: name } = catalog.get(secretKey);
  const verifier = name !== undefined && Object.hasOwn(verifiers, name) ? verifiers[name] : undefined;
  if (verifier !== undefined) return verifier;
  throw new TenantSecretsError("NOT_SUPPORTED", `${secretKey} is nothing that webhooks are signed with.`);
}

/**
 * Verifies that a webhook was signed with one of these secrets. Replays within the tolerance are for the receiver to detect, by
 * the message's id.
 *
 * @returns the first secret that verified
 * @throws {TenantSecretsError} UNAUTHENTICATED
 */
export function verifyWebhook<Secret extends SigningSecret>(
  verifier: WebhookVerifier,
  secrets: readonly Secret[],
  {
    request,
    toleranceMs = 300_000,
    now = Date.now(),
  }: WebhookVerificationOptions & { readonly request: WebhookRequest },
): Secret {
  let verdict: WebhookVerdict = "wrong-signature";
  for (const secret of secrets) {
    verdict = verdictOf(verifier, request, secret.text, { toleranceMs, now });
    if (verdict === "verified") return secret;
  }
  throw new TenantSecretsError("UNAUTHENTICATED", `The webhook was refused: ${reasons[verdict]}.`);
}

function verdictOf(
  ...[verifier, ...given]: [WebhookVerifier, ...Parameters<WebhookVerifier>]
): WebhookVerdict {
  try {
    return verifier(...given);
  } catch {
    return "wrong-signature";
  }
}

const reasons = {
  malformed: "its signature headers are missing or malformed",
  "wrong-time": "the time of its signature is too far from now",
  "wrong-signature": "no secret that counts now made its signature",
} as const satisfies Readonly<Record<Exclude<WebhookVerdict, "verified">, string>>;
