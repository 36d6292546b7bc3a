import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { Hono } from "hono";
import { afterEach, describe, expect, it } from "vitest";
import type { ApiEnv } from "./context.ts";
import { send, sendRaw } from "./testing/raw-http.ts";
import { listen, type HttpServer } from "./http-server.ts";

const servers: HttpServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop(0)));
});

async function start(
  app: Hono<ApiEnv>,
  port = 0,
  timeouts?: Partial<Parameters<typeof listen>[1]>,
): Promise<HttpServer> {
  const server = await listen(() => app, { host: "127.0.0.1", port, ...timeouts });
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

describe("a connection", () => {
  const get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
  const app = new Hono<ApiEnv>().get("/", (c) => c.text("here"));
  /** What comes back on one connection, for a request after each of these pauses. */
  async function onOneConnection(url: string, pausesMs: readonly number[]): Promise<string> {
    const { hostname, port } = new URL(url);
    let came = "";
    const socket = connect(Number(port), hostname)
      .on("data", (chunk) => (came += chunk.toString()))
      .on("error", () => {});
    for (const [i, pauseMs] of pausesMs.entries()) {
      await sleep(pauseMs);
      socket.write(get);
      await expect.poll(() => came.split("here").length - 1 > i || socket.destroyed).toBe(true);
    }
    socket.destroy();
    return came;
  }

  it("stays open for its next request longer than the 60 seconds of most balancers", async () => {
    const { url } = await start(app);
    const said = /^keep-alive: timeout=(\d+)\r$/im.exec(await onOneConnection(url, [0]))?.[1];
    expect(Number(said)).toBeGreaterThan(60);
  });

  it("that is idle for longer than headers may take to come is served on", async () => {
    const { url } = await start(app, 0, { headersMs: 200, requestMs: 200, keepAliveMs: 60_000 });
    expect((await onOneConnection(url, [0, 1000, 1000])).split("here")).toHaveLength(4);
  });

  it("is closed when it was idle for as long as is configured", async () => {
    const { url } = await start(app, 0, { keepAliveMs: 200 });
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    socket.write(get);
    // Ends with the connection.
    expect(await text(socket)).toContain("here");
  });
});

describe("a probe", () => {
  const app = new Hono<ApiEnv>();
  for (const path of ["/healthz", "/readyz", "/metrics", "/other"]) app.get(path, (c) => c.text("here"));

  const ofEveryKind = ["GET", "HEAD"].flatMap((method) =>
    ["HTTP/1.0", "HTTP/1.1"].flatMap((version) =>
      [
        ["no host", ""],
        ["an empty host", "host:\r\n"],
        ["an IP address", "host: 10.0.0.7:3000\r\n"],
        ["an IPv6 address", "host: [::1]:3000\r\n"],
        ["an unknown host", "host: unknown.example\r\n"],
        ["a malformed host", "host: a b/<%>:port\r\n"],
        ["two hosts", "host: a\r\nhost: b\r\n"],
        ["a host of bytes", "host: \u00ff\u0080\r\n"],
      ].map(([kind = "", header = ""]) => ({ method, version, kind, header })),
    ),
  );

  it("is answered whatever host it names, in every version of HTTP, with GET and HEAD", async () => {
    const { url } = await start(app);
    for (const { method, version, kind, header } of ofEveryKind) {
      for (const path of ["/healthz", "/readyz", "/readyz?a=b", "/metrics"]) {
        const answer = await sendRaw(
          url,
          `${method} ${path} ${version}\r\n${header}connection: close\r\n\r\n`,
        );
        expect(answer, `${method} ${path} ${version} with ${kind}`).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
        expect(answer.endsWith("here"), answer).toBe(method === "GET");
      }
    }
  });

  it("is the only request that is answered without a host, or with a malformed one", async () => {
    const { url } = await start(app);
    for (const path of ["/other", "/readyz/", "//readyz", "/readyz/../other"])
      for (const header of ["", "host: a b/<%>:port\r\n"])
        for (const version of ["HTTP/1.0", "HTTP/1.1"])
          expect(await sendRaw(url, `GET ${path} ${version}\r\n${header}connection: close\r\n\r\n`)).toMatch(
            /^HTTP\/1\.1 400 /,
          );
  });
});

describe("a server that stops", () => {
  it("serves on while it drains, and closes each connection with its response, of requests under way too", async () => {
    const slow = Promise.withResolvers<void>();
    const app = new Hono<ApiEnv>()
      .get("/", (c) => c.text("here"))
      .get("/slow", async (c) => {
        await slow.promise;
        return c.text("slow");
      });
    const server = await start(app);
    const { url } = server;
    servers.length = 0;
    const get = (path: string) => sendRaw(url, `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`);
    const running = get("/slow");
    await sleep(100);
    let isStopped = false;
    const stopped = server.stop(10_000, 1500).then(() => (isStopped = true));
    // Ends with the connection, which the server would keep for 75 s.
    for (let i = 0; i < 3; i++) expect(await get("/")).toMatch(/\r\nconnection: close\r\n[^]*here$/i);
    expect(isStopped).toBe(false);
    await expect.poll(() => get("/").catch(() => "closed"), { timeout: 10_000 }).toBe("closed");
    expect(isStopped).toBe(false);
    slow.resolve();
    expect(await running).toMatch(/\r\nconnection: close\r\n[^]*slow$/i);
    await stopped;
  });
});

describe("what does not become a request", () => {
  const post = "POST / HTTP/1.1\r\nhost: a\r\n";
  it.each([
    ["headers that do not end", "GET / HTTP/1.1\r\nhost: a\r\n", 408],
    ["a body that does not come", `${post}content-length: 9\r\n\r\n`, 408],
    ["a body in pieces that does not end", `${post}transfer-encoding: chunked\r\n\r\n1\r\na\r\n`, 408],
    ["headers without end", `GET / HTTP/1.1\r\nx: ${"a".repeat(20_000)}\r\n`, 431],
    ["no HTTP at all", "\u0016\u0003\u0001\u0002", 400],
    ["two lengths", `${post}content-length: 1\r\ncontent-length: 2\r\n\r\na`, 400],
    ["a length and pieces", `${post}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ])(
    "a malformed request is answered quickly, uncacheable, and its connection closed: %s",
    async (_, bytes, status) => {
      const app = new Hono<ApiEnv>().post("/", async (c) => c.text(await c.req.text()));
      app.onError((_error, c) => c.text("left", 400));
      const { url } = await start(app, 0, { headersMs: 200, requestMs: 400 });
      const answer = await sendRaw(url, bytes);
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(answer).toContain("\r\ncache-control: no-store\r\n");
    },
  );
});

it("the server keeps serving when hundreds of clients connect and send nothing, or disconnect in the middle", async () => {
  const app = new Hono<ApiEnv>().get("/", (c) => c.text("here"));
  const { url } = await start(app);
  const { hostname, port } = new URL(url);
  const idle = Array.from({ length: 300 }, () => connect(Number(port), hostname).on("error", () => {}));
  for (const [i, socket] of idle.entries()) {
    if (i % 3 === 1) socket.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf");
    if (i % 3 === 2) socket.once("connect", () => socket.resetAndDestroy());
  }
  expect((await send(url, { path: "/" })).body).toBe("here");
  for (const socket of idle) socket.destroy();
});
