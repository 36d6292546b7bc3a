import { Hono } from "hono";
import { listen, type HttpServer } from "./http-server.ts";
import type { Metrics } from "./metrics.ts";
import type { ApiEnv } from "./observe.ts";

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
