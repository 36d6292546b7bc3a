import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";

export interface StripeRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly body: string;
}

export interface LocalStripe {
  readonly url: string;
  /** What came in since the start, oldest first. */
  requests(): readonly StripeRequest[];
  stop(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

/**
 * Emulates Stripe's API on 127.0.0.1: returns payment intents without a charge, and rejects a key that contains "revoked"
 * like Stripe does. It also serves the calls of the credential checks, SendGrid's too.
 *
 * @param options.port default: any free one
 * @throws {Error} when the port is taken
 */
export async function startLocalStripe(options: { readonly port?: number } = {}): Promise<LocalStripe> {
  const received: StripeRequest[] = [];
  const server = createServer((incoming, outgoing) => {
    // A client that disconnects in the middle of its body must not end the server.
    void respond(incoming, outgoing, received).catch(() => outgoing.destroy());
  });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The local Stripe has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests: () => [...received],
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function respond(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  received: StripeRequest[],
): Promise<void> {
  const { method = "GET", url: path = "/", headers } = incoming;
  const { authorization, "idempotency-key": idempotencyHeader } = headers;
  const body = await text(incoming);
  const idempotencyKey = typeof idempotencyHeader === "string" ? idempotencyHeader : undefined;
  received.push({ method, path, authorization, idempotencyKey, body });
  const keyVersion = received.length;
  const answer = answerTo({ method, path, authorization, idempotencyKey, body }, keyVersion);
  outgoing.writeHead(answer.status, {
    "content-type": "application/json",
    "request-id": `req_local_${keyVersion}`,
  });
  outgoing.end(JSON.stringify(answer.body));
}

function answerTo({ method, path, authorization, body }: StripeRequest, keyVersion: number): Answer {
  const key = /^Bearer (.+)$/.exec(authorization ?? "")?.[1];
  if (method === "GET" && path === "/v3/scopes") {
    return key === undefined || key.includes("revoked")
      ? { status: 401, body: { errors: [{ field: null, message: "authorization required" }] } }
      : { status: 200, body: { scopes: ["mail.send"] } };
  }
  if (key === undefined) return refusal(401, "You did not provide an API key.");
  // Stripe quotes the key too, all but its middle.
  if (key.includes("revoked"))
    return refusal(401, `Invalid API Key provided: ${key.slice(0, 8)}***${key.slice(-4)}`);
  if (method === "GET" && path === "/v1/balance") {
    return { status: 200, body: { object: "balance", available: [], pending: [], livemode: false } };
  }
  if (method !== "POST" || path !== "/v1/payment_intents") {
    return refusal(404, `Unrecognized request URL (${method}: ${path}).`);
  }
  const form = new URLSearchParams(body);
  const amount = Number(form.get("amount"));
  const currency = form.get("currency");
  if (!Number.isInteger(amount) || amount <= 0) return refusal(400, "Invalid integer: amount");
  if (currency === null) return refusal(400, "Missing required param: currency.");
  return {
    status: 200,
    body: {
      id: `pi_local_${keyVersion}`,
      object: "payment_intent",
      amount,
      currency,
      status: "requires_payment_method",
      client_secret: `pi_local_${keyVersion}_secret_fake`,
      created: Math.floor(Date.now() / 1000),
      livemode: false,
      metadata: {},
    },
  };
}

function refusal(status: number, message: string): Answer {
  return { status, body: { error: { type: "invalid_request_error", message } } };
}
