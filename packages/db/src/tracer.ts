import { ProxyTracerProvider, trace, type Tracer } from "@opentelemetry/api";

/**
 * The tracer of this name of the process's OpenTelemetry SDK.
 *
 * @returns undefined where no SDK is registered: a span would be seen by nothing, and cost a context all the same
 */
export function findTracer(name: string): Tracer | undefined {
  const provider = trace.getTracerProvider();
  return provider instanceof ProxyTracerProvider
    ? provider.getDelegateTracer(name)
    : provider.getTracer(name);
}
