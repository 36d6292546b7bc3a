import { type Catalog, TenantSecretsError } from "@repo/catalog";

/** A webhook as it came in. The body is the bytes of the request: parsed and written again, it is another one. */
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
  /** How far the time in the signature may be from `now`, either way. Default: five minutes. */
  readonly toleranceMs?: number;
  /** In milliseconds since 1970. Default: the clock of this process. */
  readonly now?: number;
}

/**
 * What a verifier says of a request and one secret. `malformed`: its signature headers are missing or not of the scheme's
 * form. `wrong-time`: the time that was signed is not within the tolerance, where the scheme signs one.
 */
export type WebhookVerdict = "verified" | "malformed" | "wrong-time" | "wrong-signature";

/**
 * Whether a webhook was signed with a secret, over exactly these bytes. What it throws counts as `wrong-signature`, and is
 * thrown away. Compare signatures in constant time (`timingSafeEqual`), and refuse a text that is no secret of the scheme:
 * with an empty key, anybody could sign.
 *
 * @param secret the value of the signing secret, as it is kept
 */
export type WebhookVerifier = (
  request: WebhookRequest,
  secret: string,
  options: Required<WebhookVerificationOptions>,
) => WebhookVerdict;

/** By the names that catalogue entries give in `signatures`. */
export type WebhookVerifiers = Readonly<Record<string, WebhookVerifier>>;

/** For the start: @throws {TypeError} when an entry names a verifier that is not there */
export function requireVerifiers(catalog: Catalog, verifiers: WebhookVerifiers): void {
  for (const [secretKey, { signatures }] of Object.entries(catalog.entries)) {
    if (signatures !== undefined && !Object.hasOwn(verifiers, signatures)) {
      throw new TypeError(
        `The entry of ${secretKey} names the webhook verifier "${signatures}", which is not among the verifiers given`,
      );
    }
  }
}

/** @throws {TenantSecretsError} UNKNOWN_SECRET_KEY, or NOT_SUPPORTED where the catalogue names no way of signing */
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
 * Verifies that a webhook was signed with one of these secrets.
 *
 * That a message comes a second time within the tolerance is for the receiver to notice, by its id.
 *
 * @returns the first of the secrets that verified
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
