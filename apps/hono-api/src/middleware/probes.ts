import type { Context } from "hono";

/** What an orchestrator or a balancer looks at every few seconds. */
export const probePaths: ReadonlySet<string> = new Set(["/healthz", "/readyz"]);

/** Probes are logged at debug, and never shed. */
export function isProbe(c: Context): boolean {
  return (c.req.method === "GET" || c.req.method === "HEAD") && probePaths.has(c.req.path);
}
