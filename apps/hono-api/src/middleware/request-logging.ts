import { randomUUID } from "node:crypto";
import { getConnInfo } from "@hono/node-server/conninfo";
import { appRouter, plainPath, serviceProcedures } from "@repo/tenant-secrets/http";
import type { Context, MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { ApiEnv } from "../context.ts";
import { clientAddress } from "./client-address.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { isProbe } from "./probes.ts";

/** The pattern of the request's route, or the name of its procedure: one of a fixed set, whatever path was sent. */
export function routeOf(c: Context): string {
  const route = routePath(c, -1);
  if (route === `${plainPath}*`) {
    const procedure = c.req.path.slice(plainPath.length);
    return serviceProcedures.has(procedure) ? plainPath + procedure : route;
  }
  if (route !== "/trpc/*") return route;
  const procedure = c.req.path.slice("/trpc/".length);
  return Object.hasOwn(appRouter._def.procedures, procedure) ? `/trpc/${procedure}` : route;
}

export interface RequestLogOptions {
  readonly log: Log;
  readonly metrics: Pick<Metrics, "request">;
  readonly trustedProxies: number;
}

/** The outermost middleware: gives the request its id and address; after the response, logs and measures it. */
export function logRequests({ log, metrics, trustedProxies }: RequestLogOptions): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const startedAt = performance.now();
    // An id of the caller's choice could imitate another request in our log.
    const requestId = randomUUID();
    c.set("requestId", requestId);
    const { address } = getConnInfo(c).remote;
    c.set("address", clientAddress(address, c.req.header("x-forwarded-for"), trustedProxies));
    await next();
    // Hono's c.header would make another response, and stream the body into it.
    const { headers, status } = c.res;
    headers.set("x-request-id", requestId);
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
    // RFC 9110, 15.5.2. The same for every credential that fails.
    if (status === 401) headers.set("www-authenticate", 'Bearer realm="tenant-secrets"');
    const route = routeOf(c);
    const durationMs = performance.now() - startedAt;
    metrics.request(route, status, durationMs);
    log(isProbe(c) ? "debug" : "info", "request", {
      requestId,
      method: c.req.method,
      route,
      status,
      durationMs: Math.round(durationMs),
      company: c.get("company"),
      actor: c.get("actor"),
    });
  };
}
