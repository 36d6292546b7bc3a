import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import type { ApiEnv } from "./observe.ts";
import { StartRefused } from "./start-up.ts";

export interface HttpServer {
  readonly url: string;
  /** Accepts nothing new, and resolves when what runs is answered, or `deadlineMs` later. */
  stop(deadlineMs: number): Promise<void>;
}

export interface ListenOptions {
  /** How long a client may take to send a request. Default 10,000 for its headers, 30,000 for all of it. */
  readonly headersMs?: number;
  readonly requestMs?: number;
  /** How long a connection stays open for its next request. Default 75,000: longer than the 60 s of most balancers. */
  readonly keepAliveMs?: number;
  /** The variable that the port comes from. Default PORT. */
  readonly portVariable?: string;
}

/**
 * Longer than a balancer's own connections to us last idle, which is 60 s with most: the balancer has to be the one that
 * closes, or it sends a request down a connection that was closed at that moment, and answers 502.
 */
const usualKeepAliveMs = 75_000;

/**
 * How many connections the kernel keeps for a process that is busy; it takes fewer where `somaxconn` says so. What does not
 * fit is reset, while what is taken can be told that it is too much.
 */
const backlog = 4096;

/**
 * @param port 0 for any free one
 * @throws {StartRefused} when the address cannot be had
 */
export async function listen(
  app: Hono<ApiEnv>,
  host: string,
  port: number,
  options: ListenOptions = {},
): Promise<HttpServer> {
  const { headersMs = 10_000, requestMs = 30_000, portVariable = "PORT" } = options;
  // The listener answers by itself, and catches what goes wrong on the way.
  const listener = getRequestListener(app.fetch, { errorHandler: unreadable });
  const timeouts = {
    headersTimeout: headersMs,
    requestTimeout: Math.max(requestMs, headersMs),
    keepAliveTimeout: options.keepAliveMs ?? usualKeepAliveMs,
  };
  const server = createServer(
    // Node looks at the clock only as often as this.
    { ...timeouts, connectionsCheckingInterval: headersMs / 4 },
    (incoming, outgoing) => {
      void listener(incoming, outgoing);
    },
  );
  server.on("clientError", answerMalformed);
  try {
    server.listen({ port, host, backlog });
    await once(server, "listening");
  } catch (error) {
    throw new StartRefused(reasonOf(error, host, port, portVariable));
  }
  const address = server.address();
  if (address === null || typeof address === "string") throw new StartRefused("The server has no port.");
  const name = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return { url: `http://${name}:${address.port}`, stop: (deadlineMs) => stop(server, deadlineMs) };
}

async function stop(server: Server, deadlineMs: number): Promise<void> {
  const closed = once(server, "close");
  server.close();
  // A kept-alive connection falls idle after its last answer, and would hold the server up until its own timeout.
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

/** What is no HTTP, or too slow or large to become a request, never gets to the routes. */
function answerMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) return;
  const status = malformed[error.code ?? ""] ?? "400 Bad Request";
  const headers = ["cache-control: no-store", "content-length: 0", "connection: close"];
  socket.end([`HTTP/1.1 ${status}`, ...headers, "", ""].join("\r\n"), () => socket.destroy());
}

/** A request that no URL can be made of (a host that is none, say) gets here instead of to the routes. */
function unreadable(): Response {
  const requestId = randomUUID();
  const error = { reason: "INVALID_INPUT", message: "The request's address cannot be read.", requestId };
  return Response.json(
    { error },
    {
      status: 400,
      headers: {
        "x-request-id": requestId,
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
      },
    },
  );
}

function reasonOf(error: unknown, host: string, port: number, variable: string): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE") return `Port ${port} of ${host} is taken: set ${variable} to a free one.`;
  if (code === "EACCES")
    return `Port ${port} of ${host} is not for this user: set ${variable} to one above 1023.`;
  return `The server cannot listen on ${host}, port ${port} (${typeof code === "string" ? code : "unknown reason"}): check HOST.`;
}
