import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import type { FaultQueue } from "./faults.ts";
import type { Generation } from "./generation.ts";
import type { Visit } from "./place.ts";
import type { Allowance, RateLimiter } from "./rate-limit.ts";
import { internalError, Refusal, unauthorized } from "./refusal.ts";
import type { Route } from "./routes.ts";
import type { State, Store, StoredIdentity } from "./state.ts";
import type { Tokens } from "./tokens.ts";

/** A request that the emulator got. `status` is 0 while, or if, it has no answer. Holds no header and no body. */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly status: number;
}

interface Parts {
  readonly generation: Generation;
  readonly hasEtags: boolean;
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

// About what the statement that looks and the one that writes are apart on an older server.
const raceMs = 5;
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
  const {
    fault,
    state = parts.store.state,
    pauseBeforeWrite = parts.generation.writesAtOnce ? undefined : () => pause(raceMs),
  } = parts.queue.take(method, url.pathname);
  const pausing = pauseBeforeWrite === undefined ? {} : { pauseBeforeWrite };
  // The request is read to its end in any case, or the answer could overtake it.
  const body = await readBody(request);
  if (fault?.kind === "delay") await new Promise((resolve) => setTimeout(resolve, fault.durationMs));
  const masked = fault?.kind === "hidden-values" ? fault : undefined;
  const isHidden = (name: string) => masked !== undefined && (masked.names?.includes(name) ?? true);
  const isApplied =
    fault === undefined ||
    fault.afterApply === true ||
    ["delay", "hidden-values", "replica-lag", "race", "stalled-body", "truncated-body"].includes(fault.kind);
  const answer: Answer = isApplied
    ? await answerTo(parts, { method, url, body, request, isHidden, state, pausing })
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
    case "replica-lag":
    case "race":
    case undefined: {
      const final = parts.hasEtags ? conditional(answer, request.headers["if-none-match"]) : answer;
      finish(final.status);
      reply(response, final);
    }
  }
}

/** Every answer has a tag, and one that the client has already is not sent again: refusals too. */
function conditional(answer: Answer, known: string | undefined): Answer {
  const etag = `"${createHash("sha1").update(textOf(answer.body)).digest("base64")}"`;
  const headers = { ...answer.headers, etag };
  return known === etag ? { status: 304, body: "", headers } : { ...answer, headers };
}

const textOf = (body: unknown) => (typeof body === "string" ? body : JSON.stringify(body));

function reply(response: ServerResponse, { status, body, headers }: Answer): void {
  const type = typeof body === "string" ? "text/html; charset=utf-8" : "application/json; charset=utf-8";
  response.writeHead(status, { "content-type": type, ...headers }).end(textOf(body));
}

interface Question {
  readonly method: string;
  readonly url: URL;
  readonly body: Buffer | undefined;
  readonly request: IncomingMessage;
  readonly isHidden: (name: string) => boolean;
  readonly state: State;
  readonly pausing: Pick<Visit, "pauseBeforeWrite">;
}

async function answerTo(parts: Parts, question: Question): Promise<Answer> {
  const { method, url, request, state, isHidden, pausing } = question;
  const { generation } = parts;
  const path = url.pathname.replace(/\/$/, "");
  const route = parts.routes.find((candidate) => candidate.method === method && candidate.path.test(path));
  const parameter = decode(route?.path.exec(path)?.[1] ?? "");
  if (route === undefined || parameter === undefined || parameter.length > maxParameterLength) {
    const message = `Route ${method}:${url.pathname}${url.search} not found`;
    return { status: 404, body: { message, error: "Not Found", statusCode: 404 } };
  }
  let headers: Record<string, string> = {};
  try {
    const identity = identify(parts.tokens, request.headers.authorization, route);
    const allowance: Allowance =
      route.isUnlimited === true
        ? { headers: {} }
        : parts.limit(`${request.socket.remoteAddress ?? ""} ${method} ${route.path.source}`);
    headers = allowance.headers;
    if (allowance.refused !== undefined) throw generation.refusals.rateLimited(allowance.refused);
    const query = Object.fromEntries(url.searchParams);
    const given = parseBody(question.body, request.headers["content-type"]);
    const body = await route.handle({
      generation,
      state,
      identity,
      query,
      body: given,
      parameter,
      isHidden,
      ...pausing,
    });
    if (method !== "GET") await parts.store.save();
    return { status: 200, body, headers };
  } catch (error) {
    // A refused renewal has killed a token, so refusals are saved as well.
    if (method !== "GET") await parts.store.save();
    const refusal = error instanceof Refusal ? error : internalError();
    return { status: refusal.status, body: envelope(refusal, generation), headers };
  }
}

/** A token in the header is checked on every route, the log-in included; whether there must be one is the route's. */
function identify(tokens: Tokens, authorization: string | undefined, route: Route): StoredIdentity {
  const held =
    authorization === undefined ? undefined : tokens.verify(authorization.replace(/^bearer /i, ""));
  if (route.isPublic === true) return noIdentity;
  if (held === undefined) throw unauthorized("Token missing");
  return tokens.identify(held);
}

const noIdentity: StoredIdentity = { id: "", clientId: "", clientSecret: "", projectIds: [] };

function envelope({ status, label, told }: Refusal, { hasRequestIds }: Generation): unknown {
  return {
    ...(hasRequestIds ? { reqId: `req-${randomBytes(7).toString("hex")}` } : {}),
    statusCode: status,
    message: told,
    error: label,
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

/** An oversized, malformed or, as JSON, empty body ends as the server's catch-all 500. */
function parseBody(body: Buffer | undefined, type: string | undefined): unknown {
  if (body === undefined) throw new Error("too large");
  if (type === undefined) return null;
  const text = body.toString("utf8");
  return type.startsWith("application/json") ? JSON.parse(text) : text;
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
