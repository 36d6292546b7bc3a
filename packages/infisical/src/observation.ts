import { SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { InfisicalError } from "./errors.ts";
import type { InfisicalErrorCode } from "./errors.ts";

export type InfisicalOperation =
  | "listFolders"
  | "createFolder"
  | "deleteFolder"
  | "listSecrets"
  | "listSecretSummaries"
  | "findSecret"
  | "putSecret"
  | "deleteSecret"
  | "ping"
  | "survey"
  | "surveySummaries"
  | "countImports"
  | "listFoldersBelow";

/** One call of the client when it has ended. No path, name or value is in it: those are customers' matters. */
export interface InfisicalCall {
  readonly operation: InfisicalOperation;
  readonly outcome: "ok" | InfisicalErrorCode;
  readonly durationMs: number;
}

/** Runs one call inside a span, and tells `onCall` what became of it. */
export function observed<T>(
  operation: InfisicalOperation,
  onCall: ((call: InfisicalCall) => void) | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const tell = (outcome: InfisicalCall["outcome"]) =>
    onCall?.({ operation, outcome, durationMs: performance.now() - startedAt });
  const options = { kind: SpanKind.CLIENT, attributes: { "infisical.operation": operation } };
  return trace
    .getTracer("@repo/infisical")
    .startActiveSpan(`infisical ${operation}`, options, async (span) => {
      try {
        const result = await work();
        tell("ok");
        return result;
      } catch (error) {
        if (error instanceof InfisicalError) {
          span.setAttribute("error.type", error.code);
          tell(error.code);
        }
        span.setStatus({ code: SpanStatusCode.ERROR });
        throw error;
      } finally {
        span.end();
      }
    });
}
