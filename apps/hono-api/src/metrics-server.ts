import { Hono } from "hono";
import { listen, type HttpServer } from "./http-server.ts";
import type { Membership } from "./membership.ts";
import type { Metrics } from "./metrics.ts";
import type { ApiEnv } from "./observe.ts";
import type { Program } from "./program.ts";

/**
 * Gathers the numbers of this program, and serves them where the environment names a port for that.
 *
 * @throws {StartRefused} when the address cannot be had
 */
export async function startMetrics(
  { env, log, database, infisical, secrets, metrics }: Program,
  { hears }: Pick<Membership, "hears">,
): Promise<Pick<HttpServer, "stop">> {
  metrics.watch({ database, secrets, breaker: () => infisical.state(), hears });
  if (env.METRICS_PORT === undefined) return { stop: async () => {} };
  const server = await serveMetrics(metrics, env.HOST, env.METRICS_PORT);
  log("info", "metrics", { url: `${server.url}/metrics` });
  return server;
}

/**
 * The metrics, on a port of their own: what the API's port is published by cannot reach them.
 *
 * @param port 0 for any free one
 * @throws {StartRefused} when the address cannot be had
 */
export function serveMetrics(
  metrics: Pick<Metrics, "text" | "contentType">,
  host: string,
  port: number,
): Promise<HttpServer> {
  const app = new Hono<ApiEnv>();
  app.get("/metrics", async (c) =>
    c.body(await metrics.text(), 200, {
      "content-type": metrics.contentType,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    }),
  );
  app.onError((_, c) => c.body(null, 500));
  app.notFound((c) => c.body(null, 404));
  return listen(app, host, port, { portVariable: "METRICS_PORT" });
}
