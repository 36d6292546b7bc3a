import { createHmac, sign } from "node:crypto";
import { deriveEndpointKeys, type EndpointKeys, type WebhookKey } from "@repo/envelope";

/** Which secrets of an endpoint sign at the moment. */
export interface SigningEndpoint {
  readonly id: string;
  readonly secretNumber: number;
  readonly secretKeyVersion: number;
  /** Of the secret before; null where its overlap has ended. */
  readonly previousKeyVersion: number | null;
}

export type LoadWebhookKey = (keyVersion?: number) => Promise<WebhookKey>;

/** The keys of endpoints, derived when they are needed. */
export interface EndpointSigning {
  /** The version that new secrets are derived from. @throws {TenantSecretsError} KEY_UNAVAILABLE, DATABASE_UNAVAILABLE */
  keyVersion(): Promise<number>;
  /** The current keys first, then those of the overlap. @throws as `keyVersion` */
  keysOf(endpoint: SigningEndpoint): Promise<readonly [EndpointKeys, ...EndpointKeys[]]>;
}

export function createEndpointSigning(load: LoadWebhookKey): EndpointSigning {
  const loading = new Map<number, Promise<WebhookKey>>();

  const keyOf = (keyVersion: number): Promise<WebhookKey> => {
    const known = loading.get(keyVersion) ?? load(keyVersion);
    loading.set(keyVersion, known);
    known.catch(() => loading.delete(keyVersion));
    return known;
  };

  return {
    // Asked each time: a secret that is rolled after a compromise comes from no key of before.
    keyVersion: async () => (await load()).keyVersion,
    keysOf: async ({ id, secretNumber, secretKeyVersion, previousKeyVersion }) => {
      const now = deriveEndpointKeys(await keyOf(secretKeyVersion), id, secretNumber);
      if (previousKeyVersion === null) return [now];
      return [now, deriveEndpointKeys(await keyOf(previousKeyVersion), id, secretNumber - 1)];
    },
  };
}

/** A message of Standard Webhooks. */
export interface SignedMessage {
  readonly id: string;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly body: string;
}

/**
 * The header `webhook-signature` of Standard Webhooks 1.0: for each pair of keys a `v1` (HMAC-SHA256) and a `v1a` (Ed25519) over
 * `id.timestamp.body`.
 */
export function signatureHeader(
  keys: readonly EndpointKeys[],
  { id, timestamp, body }: SignedMessage,
): string {
  const signed = Buffer.from(`${id}.${timestamp}.${body}`, "utf8");
  return keys
    .flatMap(({ secret, privateKey }) => [
      `v1,${createHmac("sha256", secret).update(signed).digest("base64")}`,
      `v1a,${sign(null, signed, privateKey).toString("base64")}`,
    ])
    .join(" ");
}

/** As receivers store it: `whsec_` and the base64 of its 32 bytes. */
export function secretText({ secret }: EndpointKeys): string {
  return `whsec_${secret.toString("base64")}`;
}

/** The public half, `whpk_` and the base64 of its 32 bytes. */
export function publicKeyText({ publicKey }: EndpointKeys): string {
  return `whpk_${publicKey.toString("base64")}`;
}

/** The header `webhook-id` of a notification: it holds no full stop. */
export function webhookIdOf(notificationId: string): string {
  return `msg_${notificationId.replaceAll("-", "")}`;
}
