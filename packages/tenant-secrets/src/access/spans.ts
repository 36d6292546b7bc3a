import { SpanStatusCode, type Attributes, type Span } from "@opentelemetry/api";
import { findTracer } from "@repo/db";
import { TenantSecretsError } from "@repo/catalog";

/**
 * Runs `work` in a span of the process's tracer, if there is one. Neither the name nor the attributes identify a company or a
 * secret.
 */
export function inSpan<T>(name: string, attributes: Attributes, work: () => Promise<T>): Promise<T> {
  const tracer = findTracer("@repo/tenant-secrets");
  if (tracer === undefined) return work();
  return tracer.startActiveSpan(name, { attributes }, async (span: Span) => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof TenantSecretsError) span.setAttribute("error.type", error.code);
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  });
}
