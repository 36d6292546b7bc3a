import { createPublicKey, verify, type KeyObject } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { z } from "zod";
import { createFaultQueue } from "./faults.ts";
import {
  jsonOf,
  startProvider,
  type LocalProvider,
  type ProviderOptions,
  type ProviderRequest,
} from "./local-provider.ts";

/** `missing`: the header has no signature of this kind. `unchecked`: the receiver was told no key for it. */
export type SignatureState = "ok" | "bad" | "missing" | "unchecked";

/** One attempt to deliver a notification, as it came in. */
export interface ReceivedDelivery {
  readonly path: string;
  readonly id: string | undefined;
  /** In seconds, as the header has it. */
  readonly timestamp: string | undefined;
  readonly body: string;
  /** The header with the signatures. */
  readonly signatures: string | undefined;
  readonly v1: SignatureState;
  readonly v1a: SignatureState;
}

export interface WebhookReceiver extends LocalProvider {
  /** Checks later deliveries with these keys too: any of them is enough. */
  trust(keys: WebhookKeys): void;
  /** What came in since the start, oldest first, whatever was answered. */
  deliveries(): readonly ReceivedDelivery[];
}

export interface WebhookKeys {
  /** `whsec_…` */
  readonly secret?: string;
  /** `whpk_` and the 32 bytes in base64. */
  readonly publicKey?: string;
}

interface ReceiverOptions extends ProviderOptions {
  /** Called with one line for each attempt. */
  readonly say?: (line: string) => void;
}

const toleranceSeconds = 5 * 60;

/**
 * Receives webhooks at every path, and checks their signatures by https://www.standardwebhooks.com: `v1` with its library,
 * `v1a` by hand, since the library knows none. It answers 204, unless a fault has it answer something else.
 *
 * @throws {Error} when the port is taken
 */
export async function startWebhookReceiver({
  say,
  onRequest,
  ...options
}: ReceiverOptions = {}): Promise<WebhookReceiver> {
  const received: ReceivedDelivery[] = [];
  const secrets: string[] = [];
  const publicKeys: KeyObject[] = [];
  const local = await startProvider(
    {
      ...options,
      // Before the faults: what gets a wrong answer, or none, has arrived too.
      onRequest: (request) => {
        onRequest?.(request);
        if (request.method !== "POST") return;
        const delivery = check(request, secrets, publicKeys);
        received.push(delivery);
        say?.(describe(delivery));
      },
    },
    {
      faults: createFaultQueue(),
      refuse: (status, error) => ({ status, body: { error } }),
      answer: ({ method }) => (method === "POST" ? { status: 204 } : { status: 405 }),
    },
  );
  return {
    ...local,
    trust: ({ secret, publicKey }) => {
      if (secret !== undefined) secrets.push(secret);
      if (publicKey !== undefined) publicKeys.push(keyOf(publicKey));
    },
    deliveries: () => [...received],
  };
}

function check(
  { path, headers, body }: ProviderRequest,
  secrets: readonly string[],
  publicKeys: readonly KeyObject[],
): ReceivedDelivery {
  const textOf = (name: string) => z.string().optional().catch(undefined).parse(headers[name]);
  const [id, timestamp, signatures] = [
    textOf("webhook-id"),
    textOf("webhook-timestamp"),
    textOf("webhook-signature"),
  ];
  const given = (signatures ?? "").split(" ");
  const signed = {
    "webhook-id": id ?? "",
    "webhook-timestamp": timestamp ?? "",
    "webhook-signature": signatures ?? "",
  };
  const inV1a = given.filter((one) => one.startsWith("v1a,")).map((one) => one.slice(4));
  const isRecent = Math.abs(Date.now() / 1000 - Number(timestamp)) <= toleranceSeconds;
  const signedBytes = Buffer.from(`${id}.${timestamp}.${body}`);
  const isSignedBy = (key: KeyObject) =>
    inV1a.some((signature) => verify(null, signedBytes, key, Buffer.from(signature, "base64")));
  return {
    path,
    id,
    timestamp,
    body,
    signatures,
    v1: stateOf(
      given.some((one) => one.startsWith("v1,")),
      secrets,
      (secret) => isVerified(secret, body, signed),
    ),
    v1a: stateOf(inV1a.length > 0, publicKeys, (key) => isRecent && isSignedBy(key)),
  };
}

function stateOf<Key>(
  isPresent: boolean,
  keys: readonly Key[],
  isGood: (key: Key) => boolean,
): SignatureState {
  if (!isPresent) return "missing";
  if (keys.length === 0) return "unchecked";
  return keys.some(isGood) ? "ok" : "bad";
}

function isVerified(secret: string, body: string, headers: Record<string, string>): boolean {
  try {
    new Webhook(secret).verify(body, headers, { jsonParse: false });
    return true;
  } catch {
    return false;
  }
}

/** @throws {TypeError} for what is no public key of Ed25519 */
function keyOf(publicKey: string): KeyObject {
  const bytes = Buffer.from(/^whpk_([A-Za-z0-9+/]{43}=)$/.exec(publicKey)?.[1] ?? "", "base64");
  if (bytes.length !== 32) throw new TypeError("A public key is whpk_ and 32 bytes in base64.");
  return createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: bytes.toString("base64url") },
    format: "jwk",
  });
}

const text = z.string().optional().catch(undefined);
/** What is shown of a notification. */
const Notification = z.object({
  type: z.string(),
  data: z
    .object({
      company: z.object({ subdomain: text }).optional().catch(undefined),
      secretKey: text,
      secretVersion: z.number().optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
});

function describe({ body, v1, v1a }: ReceivedDelivery): string {
  const { type = "not a notification", data } = jsonOf({ body }, Notification) ?? {};
  const { company, secretKey, secretVersion } = data ?? {};
  const about = [
    company?.subdomain,
    secretKey,
    secretVersion === undefined ? undefined : `version ${secretVersion}`,
  ].filter((part) => part !== undefined);
  const line = ["Webhook:", type, about.length === 0 ? undefined : ` ${about.join(" ")}`]
    .filter((part) => part !== undefined)
    .join(" ");
  // Control characters would be orders to a terminal.
  return `${line}  (v1 ${v1}, v1a ${v1a})`.replaceAll(/\p{Cc}/gu, "\u{fffd}");
}
