import { randomUUID } from "node:crypto";
import type { HttpBindings } from "@hono/node-server";
import { getConnInfo } from "@hono/node-server/conninfo";
import type { Actor, RequestOrigin } from "@repo/tenant-secrets";
import type { Context, MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import { clientAddress } from "./client-address.ts";
import type { Log } from "./log.ts";

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

/** The outermost layer: gives the request its id and address, and writes its line when it is answered. */
export function observe(log: Log, trustedProxies: number): MiddlewareHandler<ApiEnv> {
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
    const route = routePath(c, -1);
    log(probes.has(route) ? "debug" : "info", "request", {
      requestId,
      method: c.req.method,
      route,
      status: c.res.status,
      durationMs: Math.round(performance.now() - startedAt),
      company: c.get("company"),
      actor: c.get("actor"),
    });
  };
}

/** For the record, the limits and the addresses that an API key is for. */
export function originOf(c: Context<ApiEnv>): RequestOrigin {
  return { requestId: c.get("requestId"), address: c.get("address") };
}
