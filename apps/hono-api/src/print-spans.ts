import { NodeTracerProvider, type ReadableSpan, type SpanProcessor } from "@opentelemetry/sdk-trace-node";

// `node --import ./src/print-spans.ts src/server.ts`: an SDK that prints each span, a line of JSON, with all that any
// exporter gets. It shows what there is to be had, and where an exporter of your own goes: docs/observability.md.

const printer: SpanProcessor = {
  onStart: () => {},
  onEnd: (span) => void process.stdout.write(`${JSON.stringify({ span: contentOf(span) })}\n`),
  forceFlush: async () => {},
  shutdown: async () => {},
};

function contentOf(span: ReadableSpan): object {
  const { name, kind, attributes, events, links, status, resource, instrumentationScope } = span;
  const { traceId, spanId, traceState } = span.spanContext();
  const ids = { traceId, spanId, parentSpanId: span.parentSpanContext?.spanId };
  const facts = { scope: instrumentationScope.name, kind, attributes, events, links, status };
  return { name, ...ids, ...facts, traceState: traceState?.serialize(), resource: resource.attributes };
}

new NodeTracerProvider({ spanProcessors: [printer] }).register();
