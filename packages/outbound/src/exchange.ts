import { request, type ClientRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { OutboundError } from "./outbound-error.ts";
import type { Target } from "./target.ts";

export interface OutboundRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | Buffer | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For the connection with its encryption. Default: 5,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** From the look-up to the last byte of the answer. Default: 15,000. */
  readonly timeoutMs?: number | undefined;
  /** Bytes of the body that are read at most. Default: 16 KiB. */
  readonly longestBody?: number | undefined;
}

export interface OutboundAnswer {
  /** 200 to 599. A redirect is an answer like others, and is not followed. */
  readonly status: number;
  readonly headers: Headers;
  /** As it was sent: compressed where the other side compressed it unasked. */
  readonly body: Buffer;
}

/** Bytes of the headers, and of a body whose reader asks for no more. */
const longestPart = 16 * 1024;

/** They say where a request goes and where it ends, which the target and the body alone do. */
const ownHeaders = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/**
 * Sends one request over a connection, and reads its answer.
 *
 * @throws {OutboundError} REQUEST, TOO_LARGE or ANSWER
 */
export function exchange(socket: Socket, target: Target, sent: OutboundRequest): Promise<OutboundAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<OutboundAnswer>();
  let status: number | undefined;
  const fail = (error: unknown): void => reject(failureOf(error, status));
  const outgoing = begin(socket, target, sent);
  outgoing.on("error", fail);
  // Another protocol took the connection over, which is no error to Node.js.
  outgoing.on("close", () => {
    if (status === undefined) fail(undefined);
  });
  outgoing.on("response", (response) => {
    status = response.statusCode;
    read(response, sent.longestBody ?? longestPart).then(resolve, fail);
  });
  outgoing.end(sent.body);
  return promise;
}

/** @throws {OutboundError} REQUEST */
function begin(socket: Socket, target: Target, { method, headers = {} }: OutboundRequest): ClientRequest {
  if (Object.keys(headers).some((name) => ownHeaders.has(name.toLowerCase()))) {
    throw new OutboundError("REQUEST");
  }
  try {
    return request({
      createConnection: () => socket,
      method,
      path: target.path,
      setHost: false,
      headers: { "accept-encoding": "identity", ...headers, host: target.hostHeader },
      maxHeaderSize: longestPart,
      insecureHTTPParser: false,
    });
  } catch {
    throw new OutboundError("REQUEST");
  }
}

/** @throws {OutboundError} TOO_LARGE or ANSWER; an error of the connection where it ends early */
async function read(response: IncomingMessage, longestBody: number): Promise<OutboundAnswer> {
  const status = response.statusCode ?? 0;
  if (status < 200 || status > 599) throw new OutboundError("ANSWER");
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(response.headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const received of response) {
    const chunk: Buffer = received;
    size += chunk.length;
    if (size > longestBody) throw new OutboundError("TOO_LARGE", status);
    chunks.push(chunk);
  }
  return { status, headers, body: Buffer.concat(chunks) };
}

function failureOf(error: unknown, status: number | undefined): OutboundError {
  if (error instanceof OutboundError) return error;
  const isTooLarge = error instanceof Error && "code" in error && error.code === "HPE_HEADER_OVERFLOW";
  return new OutboundError(isTooLarge ? "TOO_LARGE" : "ANSWER", status);
}
