import { initTRPC, TRPCError, type TRPC_ERROR_CODE_KEY } from "@trpc/server";
import { getHTTPStatusCodeFromError } from "@trpc/server/http";
import { asTenantSecretsError } from "@repo/audit-log";
import {
  type Caller,
  type ErrorCode,
  malformedInput,
  type SecretFailure,
  type ServiceFacts,
  TenantSecretsError,
  type Verb,
  wire,
} from "@repo/catalog";
import type { AuthenticationRequest, RequestOrigin } from "../companies/authenticate.ts";
import { lacksConfirmation } from "../access/confirmation.ts";
import type { Visitor } from "../companies/acceptance.ts";
import type { CompanyScope } from "../companies/companies.ts";
import type { Services } from "../product-services.ts";

/** The context of a procedure. The caller is authenticated at most once per request, however many calls it has. */
export interface Context {
  /** @internal Not among the types that a client gets. */
  readonly secrets: Services;
  /** @internal */
  readonly caller: () => Promise<Caller>;
  /** @internal The sender, for what needs no credential. A credential of a service is not looked at. */
  readonly visitor: () => Promise<Visitor>;
  /** @internal The company of the request, if it was resolved before its calls. */
  readonly scope?: CompanyScope | undefined;
  readonly requestId: string | undefined;
  /** Whether answers go to a remote caller, rather than to product code. */
  readonly isRemote: boolean;
}

/** The parts of a request's headers that identify its sender. */
export function requestOf(headers: Headers, origin: RequestOrigin): AuthenticationRequest {
  // RFC 6750, 2.1.
  const credential = /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
  return { ...origin, credential, headers };
}

/** A context for a remote request, which is authenticated on first use. */
export function createContext(secrets: Services, request: AuthenticationRequest): Context {
  let caller: Promise<Caller> | undefined;
  return {
    secrets,
    caller: () => (caller ??= secrets.authenticate(request)),
    visitor: async () => {
      const { headers, requestId, address } = request;
      if (headers === undefined || !(await secrets.isSignedIn(headers))) return { requestId, address };
      return { requestId, address, person: await secrets.authenticate({ headers, requestId, address }) };
    },
    requestId: request.requestId,
    isRemote: true,
  };
}

/** A context for an authenticated caller: product code, or a request that was authenticated before. */
export function createCallerContext(secrets: Services, caller: Caller): Context {
  const { requestId, address } = caller;
  return {
    secrets,
    caller: () => Promise.resolve(caller),
    visitor: () => Promise.resolve({ person: caller, requestId, address }),
    requestId,
    isRemote: false,
  };
}

/** A context for the calls of one request with a resolved company: its budget is not charged again per call. */
export function createScopeContext(secrets: Services, scope: CompanyScope): Context {
  return { ...createCallerContext(secrets, scope.caller), scope };
}

export interface ProcedureMeta {
  /** The verb that a caller needs. Enforced by the service, and declared here so that a test finds procedures without one. */
  readonly verb: Verb;
  /** Whether each call counts as sensitive, in addition to the rule by verb. */
  readonly sensitive: boolean;
  /** Whether a signed-in person must have confirmed recently who they are. */
  readonly stepUp: boolean;
  /** Whether a person may call it who has yet to add a second factor. */
  readonly beforeEnrolment: boolean;
  /** Of a procedure that API keys may call: see `OperationDefinition`. */
  readonly forServices?: ServiceFacts | undefined;
}

/** The fields of an error for clients, beside tRPC's own. Each is chosen here; nothing passes through. */
export interface ErrorData {
  readonly reason: ErrorCode;
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly currentVersion: number | undefined;
  readonly approvalId: string | undefined;
  readonly homeRegion: string | undefined;
  readonly homeAddress: string | undefined;
  readonly failures: readonly SecretFailure[] | undefined;
  readonly fields: readonly string[] | undefined;
}

/** What a caller is told of an error beside its message, whichever door it came through. */
export function errorData(error: TenantSecretsError, requestId: string | undefined): ErrorData {
  const {
    code: reason,
    retryAfterMs,
    currentVersion,
    approvalId,
    homeRegion,
    homeAddress,
    failures,
    fields,
  } = error;
  return {
    reason,
    requestId,
    retryAfterMs,
    currentVersion,
    approvalId,
    homeRegion,
    homeAddress,
    failures,
    fields,
  };
}

const trpcCodes = {
  UNAUTHENTICATED: "UNAUTHORIZED",
  FORBIDDEN: "FORBIDDEN",
  COMPANY_SUSPENDED: "FORBIDDEN",
  // 409, and not 421, which browsers and Node.js answer by sending the same request to the same address once more.
  WRONG_REGION: "CONFLICT",
  CONFIRMATION_REQUIRED: "FORBIDDEN",
  // 409: the state of the request for approval stands in the way, and no permission.
  APPROVAL_REQUIRED: "CONFLICT",
  NOT_FOUND: "NOT_FOUND",
  UNKNOWN_SECRET_KEY: "BAD_REQUEST",
  INVALID_INPUT: "BAD_REQUEST",
  INVALID_VALUE: "BAD_REQUEST",
  CONFLICT: "CONFLICT",
  RATE_LIMITED: "TOO_MANY_REQUESTS",
  NOT_SUPPORTED: "UNPROCESSABLE_CONTENT",
  INTEGRITY_FAILURE: "INTERNAL_SERVER_ERROR",
  MASTER_KEY_MISSING: "SERVICE_UNAVAILABLE",
  MASTER_KEY_MALFORMED: "SERVICE_UNAVAILABLE",
  MASTER_KEY_WRONG: "SERVICE_UNAVAILABLE",
  KEY_UNAVAILABLE: "SERVICE_UNAVAILABLE",
  KEY_DESTROYED: "PRECONDITION_FAILED",
  STORE_UNAVAILABLE: "SERVICE_UNAVAILABLE",
  DATABASE_UNAVAILABLE: "SERVICE_UNAVAILABLE",
  AUDIT_UNAVAILABLE: "SERVICE_UNAVAILABLE",
  OVERLOADED: "SERVICE_UNAVAILABLE",
  INTERNAL: "INTERNAL_SERVER_ERROR",
} as const satisfies Record<ErrorCode, TRPC_ERROR_CODE_KEY>;

const t = initTRPC
  .context<Context>()
  .meta<ProcedureMeta>()
  .create({
    transformer: wire,
    isDev: false,
    errorFormatter: ({ shape, error, ctx, type }) => {
      const known = publicError(error);
      const data = errorData(known, ctx?.requestId);
      const { code, httpStatus } = shape.data;
      // The path of an unknown procedure can be anything, such as a value sent by mistake.
      const path = type === "unknown" ? undefined : shape.data.path;
      return { code: shape.code, message: known.message, data: { code, httpStatus, path, ...data } };
    },
  });

/** Maps any tRPC error to one of ours, whether raised in a procedure or before one is reached. */
export function publicError(error: TRPCError): TenantSecretsError {
  if (error.cause instanceof TenantSecretsError) return error.cause;
  switch (error.code) {
    case "BAD_REQUEST":
      return malformedInput(error.cause);
    case "PARSE_ERROR":
      return new TenantSecretsError("INVALID_INPUT", "The request is not well-formed JSON.");
    case "NOT_FOUND":
      return new TenantSecretsError("NOT_FOUND", "There is no such procedure: check its name.");
    case "METHOD_NOT_SUPPORTED":
      return new TenantSecretsError("INVALID_INPUT", "Queries are sent with GET, mutations with POST.");
    case "UNSUPPORTED_MEDIA_TYPE":
      return new TenantSecretsError("INVALID_INPUT", "Send the content type application/json.");
    default:
      return asTenantSecretsError(error.cause ?? error);
  }
}

/** The HTTP status of an error, for endpoints outside tRPC. */
export function httpStatusOf(error: TenantSecretsError): number {
  return getHTTPStatusCodeFromError(new TRPCError({ code: trpcCodes[error.code] }));
}

/** The header of RFC 9110, 10.2.3, in whole seconds. */
export function retryAfter(retryAfterMs: number | undefined): Record<string, string> {
  return retryAfterMs === undefined
    ? {}
    : { "retry-after": String(Math.max(1, Math.ceil(retryAfterMs / 1000))) };
}

export const router = t.router;
export const createCallerFactory = t.createCallerFactory;

/**
 * The outermost middleware. `next()` does not reject: an error inside comes back as a result and is replaced here, so that no
 * foreign error leaves a procedure, over HTTP or in process.
 */
const withOurErrors = t.middleware(async ({ next }) => {
  const result = await next();
  if (result.ok) return result;
  const known = publicError(result.error);
  return {
    ...result,
    error: new TRPCError({ code: trpcCodes[known.code], message: known.message, cause: known }),
  };
});

/** Verbs whose calls are all sensitive, and verbs of which only mutations are. */
const sensitiveVerbs: ReadonlySet<Verb> = new Set(["reveal", "export", "search"]);
const sensitiveChanges: ReadonlySet<Verb> = new Set([
  "rotate",
  "members",
  "webhooks",
  "companies",
  "operators",
]);

/** Authenticates the caller, and counts each call, including each one of a batch. */
const withCaller = t.middleware(async ({ ctx, meta, type, next }) => {
  const authenticated = await ctx.caller();
  const confirmationDue = meta?.stepUp !== false && lacksConfirmation(authenticated);
  const caller = confirmationDue ? { ...authenticated, confirmationDue } : authenticated;
  const { limits } = ctx.secrets;
  const isSensitive =
    meta === undefined ||
    sensitiveVerbs.has(meta.verb) ||
    (type === "mutation" && sensitiveChanges.has(meta.verb)) ||
    meta.sensitive;
  await limits.admitCall(caller, isSensitive);
  if (meta?.beforeEnrolment !== true) await ctx.secrets.me.requireSecondFactor(caller);
  const result = await next({ ctx: { caller } });
  if (!result.ok) await limits.callFailed(caller, publicError(result.error));
  return result;
});

const withVisitor = t.middleware(async ({ ctx, next }) => next({ ctx: { sender: await ctx.visitor() } }));

/** A procedure that needs no credential. The service limits how often an address may call it. */
export function publicProcedure() {
  return t.procedure.use(withOurErrors).use(withVisitor);
}

/** A procedure for any authenticated caller; the service checks the permission. */
export function procedure(meta: ProcedureMeta) {
  return t.procedure.meta(meta).use(withOurErrors).use(withCaller);
}
