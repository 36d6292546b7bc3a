import { Hono } from "hono";
import type { Runtime, StartUp } from "../bootstrap.ts";
import type { ApiEnv } from "../context.ts";
import { listen, type HttpServer } from "../http-server.ts";
import type { Metrics } from "./metrics.ts";

/**
 * Collects the metrics of this process, and serves them where METRICS_PORT is set.
 *
 * @throws {StartupError} when it cannot listen on the address
 */
export async function startMetrics(
  { env, log, database, infisical, secrets, metrics, stopping }: Runtime,
  startUp: Pick<StartUp, "problem">,
): Promise<Pick<HttpServer, "stop">> {
  metrics.collect({
    database,
    secrets,
    breaker: () => infisical.state(),
    state: () => (stopping.aborted ? "stopping" : startUp.problem() === undefined ? "serving" : "starting"),
    isListening: () => secrets.isListening(),
    mirrorLag: async () => secrets.admin.mirroring.lag(),
    webhooks: async () => secrets.admin.measureDeliveries(),
    clock: async () => secrets.admin.measureClock(),
    regions: async () => secrets.admin.regionStatus.look(),
    rotations: async () => secrets.admin.rotation.measure(),
    deletions: async () => secrets.admin.deletions.measure(),
    retention: async () => secrets.admin.retention.measure(),
  });
  if (env.METRICS_PORT === undefined) return { stop: async () => {} };
  const server = await serveMetrics(metrics, env.HOST, env.METRICS_PORT);
  log("info", "metrics", { url: `${server.url}/metrics` });
  return server;
}

/**
 * Serves the metrics on a port of their own, which is not published with the API's.
 *
 * @param port 0 for any free port
 * @throws {StartupError} when it cannot listen on the address
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
    }),
  );
  app.onError((_, c) => c.body(null, 500));
  app.notFound((c) => c.body(null, 404));
  return listen(() => app, { host, port, portVariable: "METRICS_PORT" });
}
