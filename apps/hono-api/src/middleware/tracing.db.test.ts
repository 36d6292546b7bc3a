import { context, propagation, SpanStatusCode, trace } from "@opentelemetry/api";
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
  type ReadableSpan,
} from "@opentelemetry/sdk-trace-node";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { send, sendJson } from "../testing/raw-http.ts";
import { createBackends, startApi, type Api } from "../testing/fixture.ts";

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
provider.register();
afterAll(async () => {
  for (const registered of [trace, context, propagation]) registered.disable();
  await provider.shutdown();
});

let api: Api;
let credential: string;

beforeAll(async () => {
  const backends = await createBackends();
  ({ apiKey: credential } = await backends.apiKey("another-company"));
  api = await startApi({ backends });
});
beforeEach(() => exporter.reset());

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async function read(headers: Readonly<Record<string, string>> = {}, secretKey = "STRIPE_SECRET_KEY") {
  const input = { json: { company: "another-company", secretKey } };
  const authorization = `Bearer ${credential}`;
  const answer = await sendJson(api.url, {
    path: "/trpc/secrets.read",
    body: input,
    headers: { authorization, ...headers },
  });
  // The answer is there a moment before the span is over.
  const isRequest = ({ name }: ReadableSpan) => name === "POST /trpc/secrets.read";
  await expect.poll(() => exporter.getFinishedSpans().some(isRequest)).toBe(true);
  const spans = exporter.getFinishedSpans();
  const request = spans.find(isRequest);
  if (request === undefined) throw new Error("no span");
  return { answer, spans, request };
}

it("a request is one trace: its own span, and below it those of the calls of the database", async () => {
  const { answer, spans, request } = await read();
  expect(request.parentSpanContext).toBeUndefined();
  expect(request.attributes).toEqual({
    "http.request.method": "POST",
    "http.route": "/trpc/secrets.read",
    "http.response.status_code": 200,
    "tenant_secrets.request_id": answer.headers["x-request-id"],
  });
  const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]));
  const rootOf = (span: ReadableSpan): ReadableSpan => {
    const parent = byId.get(span.parentSpanContext?.spanId ?? "");
    return parent === undefined ? span : rootOf(parent);
  };
  // What the process does by itself meanwhile (a flush, a listener) makes traces of its own.
  const isOfRequest = (span: ReadableSpan) => span.spanContext().traceId === request.spanContext().traceId;
  const calls = spans.filter((span) => span.name === "postgresql application" && isOfRequest(span));
  expect(calls.length).toBeGreaterThanOrEqual(2);
  for (const call of calls) {
    expect(rootOf(call)).toBe(request);
    expect(call.attributes).toEqual({
      "db.system.name": "postgresql",
      "tenant_secrets.pool": "application",
      "tenant_secrets.outcome": "ok",
    });
  }
});

it("a caller's trace continues here, and other content of its tracing headers is dropped", async () => {
  const { request } = await read({
    traceparent,
    tracestate: "vendor=a-canary",
    baggage: "name=a-canary",
    b3: "a-canary",
  });
  expect(request.spanContext().traceId).toBe("0af7651916cd43dd8448eb211c80319c");
  expect(request.parentSpanContext?.spanId).toBe("b7ad6b7169203331");
  expect(request.spanContext().traceState).toBeUndefined();
  exporter.reset();
  const { request: other } = await read({ traceparent: `${traceparent}-a-canary` });
  expect(other.parentSpanContext).toBeUndefined();
});

it("a failure is marked by its status, a rejected request is no failure, and neither span has request data", async () => {
  await sendJson(api.url, {
    path: "/trpc/secrets.read?a-canary=a-canary",
    body: '{"json":{"company":"a-canary"}}',
  });
  await send(api.url, { path: "/a-canary" });
  const requestsOf = (spans: readonly ReadableSpan[]) =>
    spans.filter(({ attributes }) => "http.route" in attributes);
  await expect.poll(() => requestsOf(exporter.getFinishedSpans()).length).toBe(2);
  const spans = exporter.getFinishedSpans();
  const requests = requestsOf(spans);
  expect(requests.map(({ name }) => name)).toEqual(["POST /trpc/secrets.read", "GET /*"]);
  expect(requests.map(({ status }) => status)).toEqual([{ code: 0 }, { code: 0 }]);
  const written = spans.map(({ name, attributes, events, status }) => ({ name, attributes, events, status }));
  expect(JSON.stringify(written)).not.toContain("canary");

  exporter.reset();
  await api.database.outsideCompanies((sql) => sql`select 'a-canary'::int`).catch(() => {});
  // Other parts of this process may fail meanwhile, with other codes.
  const failed = exporter
    .getFinishedSpans()
    .filter(
      ({ status, attributes }) =>
        status.code !== SpanStatusCode.UNSET && attributes["error.type"] === "22P02",
    );
  expect(failed).toMatchObject([
    {
      name: "postgresql application",
      attributes: { "tenant_secrets.outcome": "failed", "error.type": "22P02" },
      events: [],
      status: { code: 2 },
    },
  ]);
});

it("probes make no spans", async () => {
  await send(api.url, { path: "/healthz" });
  await read();
  expect(exporter.getFinishedSpans().map(({ name }) => name)).not.toContain("GET /healthz");
});
