import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import type { FaultKind, FaultOf, FaultQueue, Faults } from "./faults.ts";

export interface ProviderRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly authorization: string | undefined;
  readonly body: string;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: object;
}

/** What every local provider is. It also takes faults over HTTP: `POST`, `GET` and `DELETE /faults`. */
export interface LocalProvider {
  readonly url: string;
  readonly faults: Faults;
  /** What came in since the start, oldest first. */
  requests(): readonly ProviderRequest[];
  /** Resolves once what came in so far is carried out, also where the answer is not waited for. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

export interface ProviderOptions {
  /** Default: any that is free. */
  readonly port?: number | undefined;
  /** Called for each request, when its body is there. */
  readonly onRequest?: ((request: ProviderRequest) => void) | undefined;
}

export interface Provider {
  /** Those about credentials are the provider's; those of whole requests are handled here. */
  readonly faults: FaultQueue;
  /** In the provider's own form. */
  refuse(status: number, message: string): Answer;
  answer(request: ProviderRequest): Answer;
}

const faultsPath = "/faults";

/**
 * Serves an emulated provider over HTTP on 127.0.0.1.
 *
 * @throws {Error} when the port is taken
 */
export async function startProvider(
  { port, onRequest }: ProviderOptions,
  provider: Provider,
): Promise<LocalProvider> {
  const received: ProviderRequest[] = [];
  const { faults } = provider;
  const stopping = new AbortController();
  let stopped: Promise<void> | undefined;

  async function respond(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = "GET", url: path = "/", headers } = incoming;
    const request = {
      method,
      path,
      headers,
      authorization: headers.authorization,
      body: await text(incoming),
    };
    if (path === faultsPath) {
      send(outgoing, answerAboutFaults(request, faults));
      return;
    }
    received.push(request);
    onRequest?.(request);
    const delay = faults.take(["delay"], request);
    if (delay !== undefined) await pause(delay.ms, undefined, { signal: stopping.signal });
    answerWith(outgoing, faults.take(wrongAnswers, request), {
      carryOut: () => provider.answer(request),
      refuse: (status, message) => provider.refuse(status, message),
    });
  }

  const inFlight = new Set<Promise<void>>();
  const server = createServer((incoming, outgoing) => {
    // A client that disconnects in the middle of its body must not end the server.
    const responding = respond(incoming, outgoing)
      .catch(() => void outgoing.destroy())
      .finally(() => inFlight.delete(responding));
    inFlight.add(responding);
  });
  server.listen(port ?? 0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The local provider has no port.");
  return {
    url: `http://127.0.0.1:${address.port}`,
    faults,
    requests: () => [...received],
    settled: async () => {
      await Promise.all(inFlight);
    },
    stop: () => {
      stopping.abort();
      stopped ??= close(server);
      return stopped;
    },
  };
}

async function close(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}

const wrongAnswers = ["dropBefore", "dropAfter", "status", "html", "halfJson"] as const satisfies FaultKind[];

/** Carries a request out as the fault has it, at most once. */
function answerWith(
  outgoing: ServerResponse,
  fault: FaultOf<(typeof wrongAnswers)[number]> | undefined,
  { carryOut, refuse }: { carryOut: () => Answer; refuse: Provider["refuse"] },
): void {
  switch (fault?.fault) {
    case undefined:
      send(outgoing, carryOut());
      return;
    case "dropBefore":
      outgoing.destroy();
      return;
    case "dropAfter":
      carryOut();
      outgoing.destroy();
      return;
    case "status": {
      if (fault.afterEffect) carryOut();
      const { retryAfter, headers } = fault;
      const answer = refuse(fault.status, "This answer is a fault that was asked for.");
      send(outgoing, {
        ...answer,
        headers: {
          ...answer.headers,
          ...headers,
          ...(retryAfter !== undefined && { "retry-after": String(retryAfter) }),
        },
      });
      return;
    }
    case "html":
      if (fault.afterEffect) carryOut();
      outgoing.writeHead(200, { "content-type": "text/html" }).end("<html><body>Please wait</body></html>");
      return;
    case "halfJson": {
      const answer = carryOut();
      const whole = JSON.stringify(answer.body ?? {});
      outgoing.writeHead(answer.status, { "content-type": "application/json", ...answer.headers });
      outgoing.end(whole.slice(0, Math.ceil(whole.length / 2)));
    }
  }
}

function send(outgoing: ServerResponse, { status, headers, body }: Answer): void {
  outgoing.writeHead(status, { ...(body && { "content-type": "application/json" }), ...headers });
  outgoing.end(body && JSON.stringify(body));
}

function answerAboutFaults({ method, headers, body }: ProviderRequest, faults: FaultQueue): Answer {
  if (method === "DELETE") faults.clear();
  else if (method === "POST") {
    // A page of another origin cannot send this type without asking first.
    if (headers["content-type"] !== "application/json") {
      return { status: 415, body: { error: "A fault is sent as application/json." } };
    }
    try {
      faults.add(JSON.parse(body));
    } catch (error) {
      const reason = error instanceof z.ZodError ? z.prettifyError(error) : "The body is no JSON.";
      return { status: 400, body: { error: reason } };
    }
  } else if (method !== "GET") return { status: 405, body: { error: "Use GET, POST or DELETE." } };
  return { status: 200, body: { faults: faults.open() } };
}

/** @returns the token of `Authorization: Bearer …` */
export function bearerOf({ authorization }: Pick<ProviderRequest, "authorization">): string | undefined {
  return /^Bearer (.+)$/.exec(authorization ?? "")?.[1];
}

/** @returns the path without its query, and the query */
export function addressOf({ path }: Pick<ProviderRequest, "path">): readonly [string, URLSearchParams] {
  const [pathname = "", query] = path.split(/\?(.*)/s, 2);
  return [pathname, new URLSearchParams(query)];
}

/** @returns undefined for what is no JSON of this shape */
export function jsonOf<Shape extends z.ZodType>(
  { body }: Pick<ProviderRequest, "body">,
  shape: Shape,
): z.output<Shape> | undefined {
  try {
    return shape.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}
