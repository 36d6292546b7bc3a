import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
} from "@opentelemetry/api";
import type { MiddlewareHandler } from "hono";
import { isProbe, routeOf, type ApiEnv } from "./observe.ts";

/** Whoever has an SDK registered gets spans from here; for everybody else it does nothing. */
const tracer = trace.getTracer("@repo/hono-api");

/**
 * A span for each request but probes, which what is done for it hangs below. It has the route, never the path, and neither
 * headers nor bodies.
 */
export const traceRequests: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (isProbe(c)) return next();
  const { method } = c.req;
  const span = tracer.startSpan(
    method,
    { kind: SpanKind.SERVER, attributes: { "http.request.method": method } },
    callersContext(c.req.header("traceparent")),
  );
  try {
    await context.with(trace.setSpan(context.active(), span), next);
  } finally {
    const { status } = c.res;
    const route = routeOf(c);
    span.updateName(`${method} ${route}`);
    span.setAttributes({
      "http.route": route,
      "http.response.status_code": status,
      "tenant_secrets.request_id": c.get("requestId"),
    });
    if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  }
};

/** Of the headers of tracing only this one is taken: it holds ids and a flag, and the others whatever a caller writes. */
function callersContext(traceparent: string | undefined): Context {
  return traceparent === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, { traceparent });
}
