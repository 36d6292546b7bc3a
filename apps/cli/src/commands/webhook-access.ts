import { webhookOperations } from "@repo/catalog";
import { withApi, type Api } from "../api.ts";
import { fieldOption, type Option } from "../command.ts";

/** Whose endpoints are meant. Left out: the platform's. */
export const company = fieldOption(webhookOperations.list.input.shape.company, {
  type: "string",
  value: "subdomain",
});

export const request = {
  type: "string",
  value: "id",
  help: "An id of this change: sent again within 24 hours, it prints the same secret, and changes nothing",
} as const satisfies Option;

/** For the help of each command. */
export const whose = `For operators, who have the endpoints of the platform. Those of a company are its owners' and admins', who manage
them in the admin app: the command line takes no credential of a person.`;

/**
 * Works with webhook endpoints as the operator whose token is in the environment.
 *
 * @throws {TenantSecretsError} as `withApi`; FORBIDDEN for a company says who manages its endpoints
 */
export async function withEndpoints<T>(
  subdomain: string | undefined,
  work: (webhooks: Api["webhooks"]) => Promise<T>,
): Promise<T> {
  try {
    return await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => work(api.webhooks));
  } catch (error) {
    throw subdomain === undefined ? error : await explained(error);
  }
}

async function explained(error: unknown): Promise<unknown> {
  const { TenantSecretsError } = await import("@repo/tenant-secrets/client");
  if (!(error instanceof TenantSecretsError) || error.code !== "FORBIDDEN") return error;
  return new TenantSecretsError(
    "FORBIDDEN",
    "A company's webhook endpoints are managed by its owners and admins, in the admin app. Without --company, the platform's are meant.",
    error,
  );
}
