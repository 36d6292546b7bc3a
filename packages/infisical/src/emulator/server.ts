import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { FaultQueue } from "./faults.ts";
import type { RateLimiter } from "./rate-limit.ts";
import { Refusal, unauthorized } from "./refusal.ts";
import type { Route } from "./routes.ts";
import type { Store, StoredIdentity } from "./state.ts";
import type { Tokens } from "./tokens.ts";

/** A request that the emulator got. `status` is 0 while, or if, it has no answer. Holds no header and no body. */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly status: number;
}

interface Parts {
  readonly routes: readonly Route[];
  readonly tokens: Tokens;
  readonly store: Store;
  readonly queue: FaultQueue;
  readonly limit: RateLimiter;
  readonly record: (request: Omit<RecordedRequest, "status">) => (status: number) => void;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Record<string, string>;
}

const maxBodyBytes = 1024 * 1024;
// A longer segment is no parameter to the server's router, and so no route.
const maxParameterLength = 100;

export function createEmulatorServer(parts: Parts) {
  return createServer((request, response) => {
    serve(parts, request, response).catch(() => response.destroy());
  });
}

async function serve(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://127.0.0.1");
  const method = request.method ?? "GET";
  const finish = parts.record({ method, path: url.pathname, query: url.search });
  const fault = parts.queue.take(method, url.pathname);
  // The request is read to its end in any case, or the answer could overtake it.
  const body = await readBody(request);
  if (fault?.kind === "delay") await new Promise((resolve) => setTimeout(resolve, fault.durationMs));
  const isHidden = fault?.kind === "hidden-values";
  const isApplied =
    fault === undefined ||
    fault.afterApply === true ||
    ["delay", "hidden-values", "stalled-body", "truncated-body"].includes(fault.kind);
  const answer: Answer = isApplied
    ? await answerTo(parts, { method, url, body, authorization: request.headers.authorization, isHidden })
    : { status: 0, body: "" };
  switch (fault?.kind) {
    case "stalled-headers":
      return;
    case "reset":
      response.destroy();
      return;
    case "stalled-body":
    case "truncated-body": {
      const text = JSON.stringify(answer.body);
      const half = text.slice(0, text.length / 2);
      response.writeHead(answer.status, { "content-type": "application/json; charset=utf-8" });
      if (fault.kind === "stalled-body") response.write(half);
      else response.end(half);
      finish(answer.status);
      return;
    }
    case "answer":
      finish(fault.status);
      reply(response, { headers: {}, body: {}, ...fault });
      return;
    case "delay":
    case "hidden-values":
    case undefined:
      finish(answer.status);
      reply(response, answer);
  }
}

function reply(response: ServerResponse, { status, body, headers }: Answer): void {
  const isText = typeof body === "string";
  const type = isText ? "text/html; charset=utf-8" : "application/json; charset=utf-8";
  response.writeHead(status, { "content-type": type, ...headers }).end(isText ? body : JSON.stringify(body));
}

interface Question {
  readonly method: string;
  readonly url: URL;
  readonly body: Buffer | undefined;
  readonly authorization: string | undefined;
  readonly isHidden: boolean;
}

async function answerTo(parts: Parts, question: Question): Promise<Answer> {
  const { method, url } = question;
  const path = url.pathname.replace(/\/$/, "");
  const route = parts.routes.find((candidate) => candidate.method === method && candidate.path.test(path));
  const parameter = decode(route?.path.exec(path)?.[1] ?? "");
  if (route === undefined || parameter === undefined || parameter.length > maxParameterLength) {
    const message = `Route ${method}:${url.pathname}${url.search} not found`;
    return { status: 404, body: { message, error: "Not Found", statusCode: 404 } };
  }
  let headers: Record<string, string> = {};
  try {
    const identity = identify(parts.tokens, question.authorization, route);
    const allowance = parts.limit(`${method} ${route.path.source}`);
    headers = allowance.headers;
    if (allowance.refused !== undefined) throw new Refusal(429, "RateLimitExceeded", allowance.refused);
    const query = Object.fromEntries(url.searchParams);
    const body = await route.handle({
      query,
      body: parseBody(question.body),
      parameter,
      identity,
      isHidden: question.isHidden,
    });
    if (method !== "GET") await parts.store.save();
    return { status: 200, body, headers };
  } catch (error) {
    // A refused renewal has killed a token, so refusals are saved as well.
    if (method !== "GET") await parts.store.save();
    const refusal =
      error instanceof Refusal ? error : new Refusal(500, "InternalServerError", "Something went wrong");
    return { status: refusal.status, body: envelope(refusal), headers };
  }
}

/** A token in the header is checked on every route, the log-in included; whether there must be one is the route's. */
function identify(tokens: Tokens, authorization: string | undefined, route: Route): StoredIdentity {
  const held =
    authorization === undefined ? undefined : tokens.verify(authorization.replace(/^bearer /i, ""));
  if (route.isPublic === true) return nobody;
  if (held === undefined) throw unauthorized("Token missing");
  return tokens.identify(held);
}

const nobody: StoredIdentity = { id: "", clientId: "", clientSecret: "", projectIds: [] };

function envelope({ status, label, told, details }: Refusal): unknown {
  const reqId = `req-${randomBytes(7).toString("hex")}`;
  return {
    reqId,
    statusCode: status,
    message: told,
    error: label,
    ...(details === undefined ? {} : { details }),
  };
}

/** Undefined for a body beyond the limit. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    const part = Buffer.from(chunk);
    sizeBytes += part.length;
    if (sizeBytes <= maxBodyBytes) chunks.push(part);
  }
  return sizeBytes <= maxBodyBytes ? Buffer.concat(chunks) : undefined;
}

/** An oversized or malformed body ends as the server's catch-all 500, as on the real one. */
function parseBody(body: Buffer | undefined): unknown {
  if (body === undefined) throw new Error("too large");
  return body.length === 0 ? undefined : JSON.parse(body.toString("utf8"));
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
