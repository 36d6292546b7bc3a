import { SpanStatusCode, trace, type Span } from "@opentelemetry/api";
import { TenantSecretsError } from "@repo/catalog";

/**
 * Does something inside a span of whatever tracing this process has. A name says what kind of thing, and neither name nor
 * attributes say whose or which.
 */
export function inSpan<T>(name: string, work: (span: Span) => Promise<T>): Promise<T> {
  return trace.getTracer("@repo/tenant-secrets").startActiveSpan(name, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      if (error instanceof TenantSecretsError) span.setAttribute("error.type", error.code);
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  });
}
