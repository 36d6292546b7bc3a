import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
} from "@opentelemetry/api";
import { findTracer } from "@repo/db";
import type { MiddlewareHandler } from "hono";
import type { ApiEnv } from "../context.ts";
import { isProbe } from "./probes.ts";
import { routeOf } from "./request-logging.ts";

/**
 * With an OpenTelemetry SDK in the process: a span for each request except probes, the parent of all spans of its work. It has
 * the route, never the path, and neither headers nor bodies.
 */
export const traceRequests: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const tracer = findTracer("@repo/hono-api");
  if (tracer === undefined || isProbe(c)) return next();
  const { method } = c.req;
  const span = tracer.startSpan(
    method,
    { kind: SpanKind.SERVER, attributes: { "http.request.method": method } },
    parentContext(c.req.header("traceparent")),
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

/** Takes traceparent alone, which holds ids and a flag: tracestate and baggage hold any text of the caller. */
function parentContext(traceparent: string | undefined): Context {
  return traceparent === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, { traceparent });
}
