import { SpanStatusCode, trace, type Span } from "@opentelemetry/api";
import { TenantSecretsError } from "@repo/catalog";

/**
 * Runs `work` in a span of the process's tracer, if there is one. Neither the name nor the attributes identify a company or a
 * secret.
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
