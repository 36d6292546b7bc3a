import { Hono } from "hono";
import { afterEach, expect, it } from "vitest";
import { send } from "./exchange.ts";
import { listen, type HttpServer } from "./http-server.ts";
import type { ApiEnv } from "./observe.ts";

const servers: HttpServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop(0)));
});

async function start(app: Hono<ApiEnv>, port = 0): Promise<HttpServer> {
  const server = await listen(app, "127.0.0.1", port);
  servers.push(server);
  return server;
}

it("names a port that is taken", async () => {
  const { url } = await start(new Hono());
  const port = Number(new URL(url).port);
  await expect(start(new Hono(), port)).rejects.toThrow(
    `Port ${port} of 127.0.0.1 is taken: set PORT to a free one.`,
  );
});

it("gives up on a request that is still running at the deadline", async () => {
  const app = new Hono<ApiEnv>().get("/slow", () => new Promise<Response>(() => {}));
  const server = await start(app);
  servers.length = 0;
  const running = send(server.url, { path: "/slow" });
  const startedAt = performance.now();
  const [request] = await Promise.allSettled([
    running,
    new Promise((resolve) => setTimeout(resolve, 50)).then(() => server.stop(200)),
  ]);
  expect(request.status).toBe("rejected");
  expect(performance.now() - startedAt).toBeLessThan(5000);
});
