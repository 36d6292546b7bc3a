import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import type { ApiEnv } from "./context.ts";
import { StartupError } from "./bootstrap.ts";
import { headersOfData } from "./middleware/security-headers.ts";
import { probePaths } from "./middleware/probes.ts";

export interface HttpServer {
  readonly url: string;
  /**
   * Serves on for `drainMs`, with responses that close their connection. Then accepts no new connection, and resolves after
   * the last response, or `deadlineMs` later.
   */
  stop(deadlineMs: number, drainMs?: number): Promise<void>;
}

export interface ListenOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** How long a client may take to send a request. Default 10,000 for its headers, 30,000 for all of it. */
  readonly headersMs?: number;
  readonly requestMs?: number;
  /** How long a connection stays open for its next request. Default 75,000: longer than the 60 s of most balancers. */
  readonly keepAliveMs?: number;
  /** The variable that the port comes from. Default PORT. */
  readonly portVariable?: string;
}

/**
 * Longer than a load balancer keeps idle connections, which is 60 s with most. The balancer must close first: otherwise it can
 * send a request on a connection that the server closes at that moment, and responds 502.
 */
const defaultKeepAliveMs = 75_000;

/**
 * Connections that the kernel queues while the process is busy; `somaxconn` may lower it. The kernel resets a connection
 * beyond it, whereas a queued request gets the 503 of load shedding.
 */
const backlog = 4096;

/**
 * @param createApp gets the address that the server listens on, which the port 0 leaves open until then
 * @throws {StartupError} when it cannot listen on the address
 */
export async function listen(
  createApp: (url: string) => Hono<ApiEnv>,
  options: ListenOptions,
): Promise<HttpServer> {
  const { host, port, headersMs = 10_000, requestMs = 30_000, portVariable = "PORT" } = options;
  const timeouts = {
    headersTimeout: headersMs,
    requestTimeout: Math.max(requestMs, headersMs),
    keepAliveTimeout: options.keepAliveMs ?? defaultKeepAliveMs,
  };
  const headers = await headersOfData();
  // Node enforces the timeouts at this interval.
  const server = createServer({
    ...timeouts,
    connectionsCheckingInterval: headersMs / 4,
    // A probe may name no host; every other request without one is refused below.
    requireHostHeader: false,
  });
  server.on("clientError", respondMalformed);
  try {
    server.listen({ port, host, backlog });
    await once(server, "listening");
  } catch (error) {
    throw new StartupError(reasonOf(error, { host, port, portVariable }));
  }
  const address = server.address();
  if (address === null || typeof address === "string") throw new StartupError("The server has no port.");
  const name = address.family === "IPv6" ? `[${address.address}]` : address.address;
  const url = `http://${name}:${address.port}`;
  // Node accepts no connection before this turn of the event loop ends. The listener responds by itself, and catches every error.
  const listener = getRequestListener(createApp(url).fetch, { errorHandler: respondUnreadable });
  const { leave, closeAfter } = createLeaving();
  server.on("request", (incoming, outgoing) => {
    outgoing.setHeaders(headers);
    closeAfter(outgoing);
    if (isProbed(incoming)) incoming.headers.host = "localhost";
    void listener(incoming, outgoing);
  });
  return {
    url,
    stop: async (deadlineMs, drainMs = 0) => {
      leave();
      await sleep(drainMs);
      await close(server, deadlineMs);
    },
  };
}

/** A balancer or a monitoring system looks at an address, and may name it, nothing or anything as the host. */
function isProbed({ url = "" }: IncomingMessage): boolean {
  const [path = ""] = url.split("?", 1);
  return probePaths.has(path) || path === "/metrics";
}

/**
 * Closes connections in a way that loses no request: once the process leaves, each response says that its connection closes,
 * those of requests under way too. A client that was told sends its next request on another connection.
 */
function createLeaving(): { leave: () => void; closeAfter: (outgoing: ServerResponse) => void } {
  const unanswered = new Set<ServerResponse>();
  let isLeaving = false;
  const say = (outgoing: ServerResponse): void => void outgoing.setHeader("connection", "close");
  return {
    leave: () => {
      isLeaving = true;
      for (const outgoing of unanswered) if (!outgoing.headersSent) say(outgoing);
    },
    closeAfter: (outgoing) => {
      if (isLeaving) return say(outgoing);
      unanswered.add(outgoing);
      outgoing.once("close", () => unanswered.delete(outgoing));
    },
  };
}

async function close(server: Server, deadlineMs: number): Promise<void> {
  const closed = once(server, "close");
  server.close();
  // A keep-alive connection is idle after its last response, and would delay the stop until its timeout.
  const sweep = setInterval(() => server.closeIdleConnections(), 50);
  const deadline = setTimeout(() => server.closeAllConnections(), deadlineMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(deadline);
}

const malformed: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
};

/** Input that is not HTTP, or too slow or too large to become a request, never reaches the routes. */
function respondMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) return;
  const status = malformed[error.code ?? ""] ?? "400 Bad Request";
  const headers = ["cache-control: no-store", "content-length: 0", "connection: close"];
  socket.end([`HTTP/1.1 ${status}`, ...headers, "", ""].join("\r\n"), () => socket.destroy());
}

/** A request without a valid URL, for example with a malformed host, ends here instead of at a route. */
function respondUnreadable(): Response {
  const requestId = randomUUID();
  const error = { reason: "INVALID_INPUT", message: "The request's address cannot be read.", requestId };
  return Response.json(
    { error },
    {
      status: 400,
      headers: {
        "x-request-id": requestId,
        "cache-control": "no-store",
      },
    },
  );
}

function reasonOf(
  error: unknown,
  { host, port, portVariable: variable }: Required<Pick<ListenOptions, "host" | "port" | "portVariable">>,
): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE") return `Port ${port} of ${host} is taken: set ${variable} to a free one.`;
  if (code === "EACCES")
    return `Port ${port} of ${host} is not for this user: set ${variable} to one above 1023.`;
  return `The server cannot listen on ${host}, port ${port} (${typeof code === "string" ? code : "unknown reason"}): check HOST.`;
}
