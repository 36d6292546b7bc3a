import { request, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";

/** A request as no browser and no `fetch` would send it. */
export interface Message {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Sends the body without content-length, in chunks of this many bytes. */
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
  // A server that has responded may close the connection before it has read the whole body.
  outgoing.on("error", reject);
  if (body !== undefined && chunkBytes !== undefined) {
    const bytes = Buffer.from(body);
    for (let at = 0; at < bytes.length; at += chunkBytes) outgoing.write(bytes.subarray(at, at + chunkBytes));
    outgoing.end();
  } else outgoing.end(body);
  return promise;
}

/** Writes bytes to a socket as they are. @returns everything received until the server closes it */
export async function sendRaw(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(bytes);
  return text(socket);
}

export function sendJson(
  url: string,
  { path, body, headers = {} }: Pick<Message, "path" | "headers"> & { readonly body: unknown },
): Promise<Answer> {
  return send(url, {
    method: "POST",
    path,
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** Creates a payment as a company's own server would. */
export function pay(
  url: string,
  options: { readonly host: string; readonly credential?: string; readonly headers?: Message["headers"] },
  payment: unknown = { amount: 1200, currency: "eur" },
): Promise<Answer> {
  return sendJson(url, {
    path: "/api/payments/create",
    body: payment,
    headers: {
      host: options.host,
      ...(options.credential === undefined ? {} : { authorization: `Bearer ${options.credential}` }),
      ...options.headers,
    },
  });
}

/** For comparing answers: everything but the request id, which is unique. */
export function withoutRequestId({ status, body }: Answer): string {
  return `${status} ${body.replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g, "<id>")}`;
}
