import { request, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";

/** For tests: requests as no browser and no `fetch` would send them. */
export interface Message {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Without a length, in pieces of this many bytes. */
  readonly chunkBytes?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export async function send(url: string, message: Message): Promise<Answer> {
  const { method = "GET", path, headers = {}, body, chunkBytes } = message;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const outgoing = request(new URL(url), { method, path, headers, agent: false }, (incoming) => {
    text(incoming).then(
      (answer) => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: answer }),
      reject,
    );
  });
  // A server that has answered may close the connection before it has read everything.
  outgoing.on("error", reject);
  if (body !== undefined && chunkBytes !== undefined) {
    const bytes = Buffer.from(body);
    for (let at = 0; at < bytes.length; at += chunkBytes) outgoing.write(bytes.subarray(at, at + chunkBytes));
    outgoing.end();
  } else outgoing.end(body);
  return promise;
}

/** Bytes as they are, down a socket. @returns all that comes back until the server closes it */
export async function sendRaw(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(bytes);
  return text(socket);
}

export function sendJson(
  url: string,
  path: string,
  body: unknown,
  headers: Message["headers"] = {},
): Promise<Answer> {
  return send(url, {
    method: "POST",
    path,
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** A payment, as a company's own server would ask for one. */
export function pay(
  url: string,
  options: { readonly host: string; readonly credential?: string; readonly headers?: Message["headers"] },
  payment: unknown = { amount: 1200, currency: "eur" },
): Promise<Answer> {
  return sendJson(url, "/api/payments/create", payment, {
    host: options.host,
    ...(options.credential === undefined ? {} : { authorization: `Bearer ${options.credential}` }),
    ...options.headers,
  });
}

/** The same answer for the same question, but for the id that every request has of its own. */
export function withoutRequestId({ status, body }: Answer): string {
  return `${status} ${body.replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g, "<id>")}`;
}
