import { findNotification, type Notification, TenantSecretsError } from "@repo/catalog";

// For receivers of notifications, in any runtime with Web Crypto. https://www.standardwebhooks.com

/** Keys of an endpoint: one of either kind is enough. */
export interface NotificationKeys {
  /** `whsec_…`, for the signatures `v1`. While a secret is rolled, the old and the new one. */
  readonly secrets?: readonly string[] | undefined;
  /** `whpk_…`, for the signatures `v1a`. */
  readonly publicKeys?: readonly string[] | undefined;
}

/** A request that says to be a notification. */
export interface NotificationRequest {
  /** A `Headers`, or an object such as Node's `request.headers`. */
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>;
  /** As it arrived: what was parsed and serialised again has other bytes. */
  readonly body: string | Uint8Array;
  /** Milliseconds since 1970. Default: the clock of this process. */
  readonly now?: number | undefined;
}

export interface VerifiedNotification {
  /** The same in each attempt. Keep it for ten minutes at least, and handle no id twice. */
  readonly id: string;
  /** Undefined for a type or a version that this release does not know: answer it with a 2xx. */
  readonly notification: Notification | undefined;
}

const toleranceSeconds = 5 * 60;
/** Without the full stop, which separates it from what else is signed. */
const idForm = /^[\x21-\x2d\x2f-\x7e]{1,256}$/;
const secondsForm = /^[1-9][0-9]{0,14}$/;

/** What a body says. @returns undefined for a type or a version that this release does not know, and for what is no notification */
export function parseNotification(body: string | Uint8Array): Notification | undefined {
  try {
    const text = typeof body === "string" ? body : new TextDecoder("utf-8", { fatal: true }).decode(body);
    return findNotification(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/**
 * Verifies that a request was sent by this service, to this endpoint, within the last five minutes.
 *
 * @throws {TenantSecretsError} UNAUTHENTICATED for a request that was not; INVALID_INPUT where there is no key, or one that is malformed
 */
export async function verifyNotification(
  { secrets = [], publicKeys = [] }: NotificationKeys,
  { headers, body, now = Date.now() }: NotificationRequest,
): Promise<VerifiedNotification> {
  const verifiers = await Promise.all([
    ...secrets.map(verifierOfSecret),
    ...publicKeys.map(verifierOfPublicKey),
  ]);
  if (verifiers.length === 0)
    throw new TenantSecretsError("INVALID_INPUT", "Name a secret or a public key of the endpoint.");
  const id = headerOf(headers, "webhook-id") ?? "";
  const timestamp = headerOf(headers, "webhook-timestamp") ?? "";
  const given = (headerOf(headers, "webhook-signature") ?? "").split(" ");
  if (!idForm.test(id) || !secondsForm.test(timestamp))
    throw refused("A notification has the headers webhook-id, webhook-timestamp and webhook-signature.");
  if (!(Math.abs(now / 1000 - Number(timestamp)) <= toleranceSeconds))
    throw refused(
      "The notification was not sent within the last five minutes, by the clock of this process.",
    );
  const signed = signedBytes(`${id}.${timestamp}.`, body);
  for (const { version, isSignature } of verifiers)
    for (const text of given) {
      const signature = text.startsWith(`${version},`) ? bytesOf(text.slice(version.length + 1)) : undefined;
      if (signature !== undefined && (await isSignature(signature, signed)))
        return { id, notification: parseNotification(body) };
    }
  throw refused("No signature of the notification is by a key of this endpoint.");
}

type Bytes = Uint8Array<ArrayBuffer>;

interface Verifier {
  readonly version: "v1" | "v1a";
  readonly isSignature: (signature: Bytes, signed: Bytes) => Promise<boolean>;
}

/** @throws {TenantSecretsError} INVALID_INPUT */
async function verifierOfSecret(secret: string): Promise<Verifier> {
  const bytes = secret.startsWith("whsec_") ? bytesOf(secret.slice(6)) : undefined;
  if (bytes === undefined || bytes.length < 24 || bytes.length > 64)
    throw malformed("A secret is whsec_ and 24 to 64 bytes in base64.");
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes, algorithm, false, ["verify"]);
  // Compares in constant time.
  return {
    version: "v1",
    isSignature: (signature, signed) => crypto.subtle.verify("HMAC", key, signature, signed),
  };
}

/** @throws {TenantSecretsError} INVALID_INPUT */
async function verifierOfPublicKey(publicKey: string): Promise<Verifier> {
  const bytes = publicKey.startsWith("whpk_") ? bytesOf(publicKey.slice(5)) : undefined;
  if (bytes?.length !== 32) throw malformed("A public key is whpk_ and 32 bytes in base64.");
  const key = await crypto.subtle.importKey("raw", bytes, { name: "Ed25519" }, false, ["verify"]);
  return {
    version: "v1a",
    isSignature: (signature, signed) => crypto.subtle.verify("Ed25519", key, signature, signed),
  };
}

/** A header that is there once. */
function headerOf(headers: NotificationRequest["headers"], name: string): string | undefined {
  if (headers instanceof Headers) return headers.get(name) ?? undefined;
  const found = Object.entries(headers).filter(([each]) => each.toLowerCase() === name);
  const [[, value] = []] = found;
  return found.length === 1 && typeof value === "string" ? value : undefined;
}

function signedBytes(prefix: string, body: string | Uint8Array): Bytes {
  const encoder = new TextEncoder();
  const [start, end] = [encoder.encode(prefix), typeof body === "string" ? encoder.encode(body) : body];
  const bytes = new Uint8Array(start.length + end.length);
  bytes.set(start);
  bytes.set(end, start.length);
  return bytes;
}

/** Base64 with its padding. @returns undefined for any other spelling of the same bytes, and for none */
function bytesOf(base64: string): Bytes | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || base64.length % 4 !== 0) return undefined;
  const binary = atob(base64);
  if (btoa(binary) !== base64) return undefined;
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function refused(message: string): TenantSecretsError {
  return new TenantSecretsError("UNAUTHENTICATED", message);
}

function malformed(message: string): TenantSecretsError {
  return new TenantSecretsError("INVALID_INPUT", message);
}
