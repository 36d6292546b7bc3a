import { randomUUID } from "node:crypto";
import type { HttpBindings } from "@hono/node-server";
import { getConnInfo } from "@hono/node-server/conninfo";
import { appRouter, type Actor, type RequestOrigin } from "@repo/tenant-secrets";
import type { Context, MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import { clientAddress } from "./client-address.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

export interface ApiEnv {
  readonly Bindings: HttpBindings;
  readonly Variables: {
    requestId: string;
    address: string | undefined;
    /** Both only once they are known to be true, for the log. */
    actor?: Actor["kind"];
    company?: string;
  };
}

const probes = new Set(["/healthz", "/readyz"]);

/** Asked for every few seconds by whoever runs the process: neither news nor load. */
export function isProbe(c: Context): boolean {
  return (c.req.method === "GET" || c.req.method === "HEAD") && probes.has(c.req.path);
}

/** The request's route as it is written down, or its procedure: one of a fixed number of names, whatever was sent. */
export function routeOf(c: Context): string {
  const route = routePath(c, -1);
  if (route !== "/trpc/*") return route;
  const procedure = c.req.path.slice("/trpc/".length);
  return Object.hasOwn(appRouter._def.procedures, procedure) ? `/trpc/${procedure}` : route;
}

export interface ObserveOptions {
  readonly log: Log;
  readonly metrics: Pick<Metrics, "request">;
  readonly trustedProxies: number;
}

/** The outermost layer: gives the request its id and address; when it is answered, writes its line and measures it. */
export function observe({ log, metrics, trustedProxies }: ObserveOptions): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const startedAt = performance.now();
    // A caller's own id would let it write into our log and pass for another request.
    const requestId = randomUUID();
    c.set("requestId", requestId);
    const { address } = getConnInfo(c).remote;
    c.set("address", clientAddress(address, c.req.header("x-forwarded-for"), trustedProxies));
    await next();
    c.header("x-request-id", requestId);
    c.header("cache-control", "no-store");
    // RFC 9110, 15.5.2. Whatever was sent, it says the same.
    if (c.res.status === 401) c.header("www-authenticate", 'Bearer realm="tenant-secrets"');
    const route = routeOf(c);
    const { status } = c.res;
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

/** For the record, the limits and the addresses that an API key is for. */
export function originOf(c: Context<ApiEnv>): RequestOrigin {
  return { requestId: c.get("requestId"), address: c.get("address") };
}
