import type { TenantSecrets } from "@repo/tenant-secrets";
import { Hono, type MiddlewareHandler } from "hono";
import {
  acceptJsonOnly,
  allowMethods,
  answerHeaders,
  letPagesRead,
  limitBody,
  limitUrl,
  refuseForeignPages,
} from "./border.ts";
import { createGetCompanyFromRequest, type DeliveryChatCatalog } from "./company.ts";
import { limitInFlight } from "./load.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { observe, type ApiEnv } from "./observe.ts";
import { paymentRoutes } from "./payments.ts";
import { createReadiness, type ReadinessOptions } from "./readiness.ts";
import { refuse, Refusal } from "./refusal.ts";
import type { StartUp } from "./start-up.ts";
import { traceRequests } from "./tracing.ts";
import { serveTrpc } from "./trpc.ts";

export interface AppOptions extends ReadinessOptions {
  readonly secrets: TenantSecrets<DeliveryChatCatalog>;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "request" | "inFlight" | "shed">;
  readonly baseDomain: string;
  readonly stripeApiUrl: string;
  /** How many proxies of ours a request passes. */
  readonly trustedProxies: number;
  /** Whose pages may send requests that change something. */
  readonly allowedOrigins: readonly string[];
  readonly maxRequestsInFlight: number;
}

/** The routes and what stands before them. Opens nothing. */
export function createApp(options: AppOptions): Hono<ApiEnv> {
  const { secrets, log, metrics, startUp } = options;
  const readiness = createReadiness(options);
  const getCompanyFromRequest = createGetCompanyFromRequest(secrets, options.baseDomain);

  const app = new Hono<ApiEnv>();
  app.onError((error, c) => refuse(log, c, error));
  app.notFound((c) =>
    refuse(log, c, new Refusal(404, "NOT_FOUND", "There is no such route: check method and path.")),
  );
  app.use(
    observe(options),
    answerHeaders,
    letPagesRead(options.allowedOrigins),
    limitInFlight(options.maxRequestsInFlight, metrics),
    traceRequests,
    limitUrl,
    refuseForeignPages(options.allowedOrigins),
  );
  app.use("/healthz", allowMethods("GET", "HEAD"));
  app.use("/readyz", allowMethods("GET", "HEAD"));
  app.use("/api/payments/create", allowMethods("POST"));
  app.use("/trpc/*", allowMethods("GET", "POST"));
  app.use(allowMethods("GET", "HEAD", "POST"), limitBody, acceptJsonOnly);

  app.get("/healthz", (c) => c.json({ status: "alive" }));
  app.get("/readyz", async (c) => {
    const report = await readiness();
    return c.json(report, report.status === "ready" || report.status === "degraded" ? 200 : 503);
  });

  app.use("/api/*", onceStarted(startUp));
  app.route("/api/payments", paymentRoutes(getCompanyFromRequest, options.stripeApiUrl));
  app.all("/trpc/*", onceStarted(startUp), serveTrpc(secrets, log));
  return app;
}

/** Before the start is complete nothing is served: it is not known yet whether the database keeps companies apart. */
function onceStarted(startUp: Pick<StartUp, "problem">): MiddlewareHandler {
  return async (_, next) => {
    const problem = startUp.problem();
    if (problem !== undefined) throw problem.error;
    await next();
  };
}
