import type { deliveryChatCatalog } from "@repo/delivery-chat";
import type { Caller, TenantSecrets } from "@repo/tenant-secrets";
import type { Credentials, CredentialStore, DemoCompany } from "./credentials.ts";

type DeliveryChat = TenantSecrets<typeof deliveryChatCatalog>;

/** Where notifications of the demo arrive. */
export interface DemoReceiver {
  readonly url: string;
  trust(keys: { readonly secret: string; readonly publicKey: string }): void;
}

/** The company whose SendGrid key is rotated, since acmecorp's is in its Infisical folder until it is read. */
export const rotatedCompany: DemoCompany = "another-company";
export const rotatedKey = "SENDGRID_API_KEY";

/** Those of one rotation. */
const types = [
  "secret.rotation_pending",
  "secret.rotated",
  "secret.rotation_failed",
  "secret.rotation_fell_back",
  "secret.retired",
] as const;

interface Parts {
  readonly secrets: DeliveryChat;
  readonly operator: Caller;
  /** Undefined where the demo's keys are not at a SendGrid of this start. */
  readonly sendgrid: { readonly url: string } | undefined;
  readonly receiver: DemoReceiver;
}

/**
 * An endpoint of the platform at the local receiver, and how the SendGrid key is rotated.
 *
 * @param store has the keys of the endpoint
 * @throws {TenantSecretsError} as `webhooks.create` and `rotation.set` do
 */
export async function seedRotation(
  { secrets, operator, sendgrid, receiver }: Parts,
  store: CredentialStore,
): Promise<void> {
  const { webhooks, rotation } = secrets.admin;
  for (const { id, url } of await webhooks.list(operator, undefined))
    if (url.endsWith(endpointPath)) await webhooks.remove(operator, { endpoint: id });
  const url = urlOf(receiver);
  const asked = { url, types, description: "The local receiver", perSecond: 50 };
  const { secret, endpoint } = await webhooks.create(operator, asked);
  store.keep("webhook secret", secret);
  store.keep("webhook key", endpoint.publicKey);
  store.keep("webhook url", url);
  if (sendgrid === undefined) return;
  const { policies } = await rotation.list(operator, rotatedCompany);
  if (policies.some(({ secretKey }) => secretKey === rotatedKey)) return;
  await rotation.set(operator, {
    company: rotatedCompany,
    secretKey: rotatedKey,
    driver: "sendgrid",
    schedule: { every: "PT1H" },
    overlapSeconds: 120,
  });
}

const endpointPath = "/platform";

function urlOf({ url }: DemoReceiver): string {
  return `${url}${endpointPath}`;
}

/** Whether the endpoint of an earlier start is at this receiver. */
export function isNotified(credentials: Credentials, receiver: DemoReceiver): boolean {
  return credentials["webhook url"] === urlOf(receiver);
}

/** The receiver verifies what the endpoint's keys sign. */
export function trustEndpoint(credentials: Credentials, receiver: DemoReceiver): void {
  const { "webhook secret": secret, "webhook key": publicKey } = credentials;
  if (secret !== undefined && publicKey !== undefined) receiver.trust({ secret, publicKey });
}

/** Begins a rotation, or goes on with that of an earlier start. A company that cannot be rotated any more is left as it is. */
export async function beginRotation(api: string, credentials: Credentials): Promise<void> {
  const response = await fetch(`${api}/trpc/rotation.rotate`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${credentials["operator"] ?? ""}`,
    },
    body: JSON.stringify({ json: { company: rotatedCompany, secretKey: rotatedKey } }),
  });
  await response.body?.cancel();
}
