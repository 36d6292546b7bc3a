import type { Catalog, TenantSecrets } from "@repo/tenant-secrets";
import type { SignIn } from "@repo/sign-in";
import { plainPath } from "@repo/tenant-secrets/http";
import { Hono, type MiddlewareHandler } from "hono";
import type { StartUp } from "./bootstrap.ts";
import type { ApiEnv } from "./context.ts";
import { HttpError, respondWithError } from "./http-error.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { createGetCompanyFromRequest } from "./middleware/company.ts";
import { shedLoad } from "./middleware/load-shedding.ts";
import { acceptJsonOnly, allowMethods, limitBody, limitUrl } from "./middleware/request-limits.ts";
import { logRequests } from "./middleware/request-logging.ts";
import { allowCors, rejectOtherPages } from "./middleware/origins.ts";
import { traceRequests } from "./middleware/tracing.ts";
import type { AdminFiles } from "./routes/admin-files.ts";
import { adminRoutes } from "./routes/admin.ts";
import { paymentRoutes } from "./routes/payments.ts";
import { serveSignIn } from "./routes/sign-in.ts";
import { answerBy } from "./routes/procedures.ts";
import { serveOpenApi } from "./routes/openapi.ts";
import { createReadiness, type ReadinessOptions } from "./routes/readiness.ts";
import { serveTrpc } from "./routes/trpc.ts";

export interface AppOptions extends Omit<ReadinessOptions, "regions" | "signIn"> {
  readonly secrets: TenantSecrets<Catalog>;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "request" | "inFlight" | "shed">;
  readonly baseDomain: string;
  readonly stripeApiUrl: string;
  /** Number of our own proxies that a request passes. */
  readonly trustedProxies: number;
  /** Where browsers find the admin app: its origin is the only one whose pages may use a session. */
  readonly publicUrl: string;
  /** The admin app. Undefined where it is not built. */
  readonly admin?: AdminFiles | undefined;
  /** Origins whose pages may send requests with side effects. */
  readonly allowedOrigins: readonly string[];
  readonly maxRequestsInFlight: number;
  /** The sign-in of people. Undefined where the deployment has none. */
  readonly signIn?: Pick<SignIn, "handler" | "checkWrites"> | undefined;
}

/** The routes behind their middleware. Opens no connection. */
export function createApp(options: AppOptions): Hono<ApiEnv> {
  const { secrets, log, metrics, startUp, allowedOrigins } = options;
  const readiness = createReadiness({
    ...options,
    regions: async () => options.secrets.admin.regionStatus.look(),
  });
  const getCompanyFromRequest = createGetCompanyFromRequest(secrets, options.baseDomain);

  const app = new Hono<ApiEnv>();
  app.onError((error, c) => respondWithError(log, c, error));
  app.notFound((c) =>
    respondWithError(
      log,
      c,
      new HttpError({
        status: 404,
        reason: "NOT_FOUND",
        message: "There is no such route: check method and path.",
      }),
    ),
  );
  app.use(
    logRequests(options),
    allowCors(allowedOrigins),
    shedLoad(options.maxRequestsInFlight, metrics),
    traceRequests,
    limitUrl,
  );
  // Before the rule on who sends: a page and its assets are the same for every visitor, and a link from elsewhere leads to them.
  if (options.admin !== undefined) app.route("/", adminRoutes(options.admin, options.publicUrl));
  app.use(rejectOtherPages({ publicOrigin: new URL(options.publicUrl).origin, allowedOrigins }));
  app.use("/healthz", allowMethods("GET", "HEAD"));
  app.use("/readyz", allowMethods("GET", "HEAD"));
  app.use("/openapi.json", allowMethods("GET", "HEAD"));
  app.use(`${plainPath}*`, allowMethods("POST"));
  app.use("/api/payments/create", allowMethods("POST"));
  app.use("/trpc/*", allowMethods("GET", "POST"));
  app.use(allowMethods("GET", "HEAD", "POST"), limitBody, acceptJsonOnly);

  app.get("/healthz", (c) => c.json({ status: "alive" }));
  app.get("/readyz", async (c) => {
    const report = await readiness();
    return c.json(report, report.status === "ready" || report.status === "degraded" ? 200 : 503);
  });

  app.get("/openapi.json", serveOpenApi());

  app.use("/api/*", onceStarted(startUp));
  app.post(`${plainPath}*`, answerBy(secrets, log));
  if (secrets.catalog.find("STRIPE_SECRET_KEY") !== undefined)
    app.route("/api/payments", paymentRoutes(getCompanyFromRequest, options.stripeApiUrl));
  if (options.signIn !== undefined) app.post("/api/sign-in/*", serveSignIn(options.signIn.handler));
  app.all("/trpc/*", onceStarted(startUp), serveTrpc(secrets, log));
  return app;
}

/** Serves nothing before the start is complete: until then the isolation of companies in the database is unchecked. */
function onceStarted(startUp: Pick<StartUp, "problem">): MiddlewareHandler {
  return (_, next) => {
    const problem = startUp.problem();
    if (problem !== undefined) throw problem.error;
    return next();
  };
}
