import { createTRPCClient, getUntypedClient, TRPCClientError, type TRPCClient } from "@trpc/client";
import type { inferRouterInputs, inferRouterOutputs } from "@trpc/server";
import { z } from "zod";
import {
  callsOf,
  type Catalog,
  type CompanySecrets,
  companySecrets,
  errorCodes,
  TenantSecretsError,
  vaultOperations,
} from "@repo/catalog";
import { type ApiPlace, apiLink, followingHome } from "./api-links.ts";
import { checkedTimeout, type Fetch } from "./api-requests.ts";
import type { AppRouter } from "./router/router.ts";

export type { ApiPlace } from "./api-links.ts";
export type { Fetch } from "./api-requests.ts";
export {
  type Capabilities,
  type Catalog,
  type CatalogEntry,
  type CompanySecrets,
  CredentialRejected,
  defineCatalog,
  type ErrorCode,
  jsonSecret,
  type Notification,
  type NotificationType,
  oauthClient,
  type SecretDescription,
  type SecretHistory,
  type SecretKeyOf,
  type SecretList,
  type SecretVersion,
  sendgridApiKey,
  stripeSecretKey,
  TenantSecretsError,
  textSecret,
  type ValueOf,
  webhookSigningSecret,
  type WriteOptions,
  type WriteResult,
} from "@repo/catalog";
export { type Role, type Verb, wire } from "@repo/catalog";
export {
  type NotificationKeys,
  type NotificationRequest,
  parseNotification,
  type VerifiedNotification,
  verifyNotification,
} from "./verify-notification.ts";
export type { AppRouter } from "./router/router.ts";

/** What each procedure answers, by its path: `ApiAnswers["secrets"]["list"]`. */
export type ApiAnswers = inferRouterOutputs<AppRouter>;
/** What each procedure takes, by its path. */
export type ApiInputs = inferRouterInputs<AppRouter>;

/** How long a call takes at most: longer than the server's own deadlines together, in milliseconds. */
const defaultTimeoutMs = 30_000;

export interface ClientOptions<C extends Catalog> extends ApiPlace {
  /**
   * The APIs of other regions, by the region's name. A call that is answered with WRONG_REGION, so that nothing was done, is made once
   * more in the region that the answer names, if it is among these: at the address and with the credential that stand here,
   * whatever address the answer has.
   */
  readonly otherRegions?: Readonly<Record<string, ApiPlace>> | undefined;
  /** How long a call may take until its answer is read, in milliseconds. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  readonly catalog: C;
  /** Another way to send a request: in process, through a proxy. The deadline is the signal that it is given. */
  readonly fetch?: Fetch;
}

export interface TenantSecretsClient<C extends Catalog> {
  /** One company's secrets, typed by the catalogue. */
  company(subdomain: string): CompanySecrets<C>;
  /** Every procedure of the API, as tRPC types it. Rejects with tRPC's own error: see {@link errorOfAnswer}. */
  readonly trpc: TRPCClient<AppRouter>;
}

/**
 * A typed client of the API. It opens nothing before its first call, and follows no redirect.
 *
 * @throws {TenantSecretsError} INVALID_INPUT for an address, a credential or a deadline that can be none
 */
export function createTenantSecretsClient<C extends Catalog>(
  options: ClientOptions<C>,
): TenantSecretsClient<C> {
  const sending = {
    fetch: options.fetch ?? ((address, init) => fetch(address, init)),
    timeoutMs: checkedTimeout(options.timeoutMs ?? defaultTimeoutMs),
  };
  const others = Object.entries(options.otherRegions ?? {}).map(
    ([region, place]) => [region, apiLink(sending, place)] as const,
  );
  const trpc = createTRPCClient<AppRouter>({
    links: [followingHome(new Map(others)), apiLink(sending, options)],
  });
  const untyped = getUntypedClient(trpc);
  return {
    trpc,
    company: (company) =>
      companySecrets(
        options.catalog,
        callsOf(vaultOperations, async (name, input) => {
          const call = untyped[vaultOperations[name].kind].bind(untyped);
          try {
            return await call(`secrets.${name}`, { ...input, company });
          } catch (error) {
            throw errorOfAnswer(error);
          }
        }),
      ),
  };
}

const ErrorData = z.object({
  reason: z.enum(errorCodes),
  retryAfterMs: z.number().optional(),
  currentVersion: z.number().optional(),
  approvalId: z.string().optional(),
  homeRegion: z.string().optional(),
  homeAddress: z.string().optional(),
  failures: z
    .array(
      z.object({
        secretKey: z.string(),
        code: z.enum(errorCodes),
        message: z.string(),
        currentVersion: z.number().optional(),
      }),
    )
    .optional(),
  fields: z.array(z.string()).optional(),
  requestId: z.string().optional(),
});

/** The error that a call of the API stands for: the server's own, or STORE_UNAVAILABLE where no answer of it came. */
export function errorOfAnswer(error: unknown): unknown {
  if (!(error instanceof TRPCClientError)) return error;
  if (error.cause instanceof TenantSecretsError) return error.cause;
  const data = ErrorData.safeParse(error.data);
  if (!data.success) {
    return new TenantSecretsError(
      "STORE_UNAVAILABLE",
      "What answers at the API's address is not this API: check the address and its path.",
    );
  }
  const { reason, ...details } = data.data;
  return new TenantSecretsError(reason, error.message, details);
}
