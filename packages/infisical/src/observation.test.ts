import { SpanStatusCode, trace } from "@opentelemetry/api";
import type { Attributes, Span, SpanOptions, Tracer } from "@opentelemetry/api";
import { afterEach, expect, test } from "vitest";
import { business, calls, failureOf, name, path, startFixture, value } from "./testing/fixture.ts";
import type { InfisicalCall } from "./observation.ts";

afterEach(() => trace.disable());

test("tells of every call when it has ended, with its outcome and how long it took", async () => {
  const seen: InfisicalCall[] = [];
  await using fixture = await startFixture({ client: { onCall: (call) => seen.push(call), maxFailures: 1 } });
  for (const [, call] of calls) await call(fixture.client);
  expect(seen.map(({ operation, outcome }) => [operation, outcome])).toEqual(
    calls.map(([title]) => [title, "ok"]),
  );
  seen.splice(0);
  fixture.emulator.faults.add({ kind: "delay", durationMs: 60 }, { path: business });
  await fixture.client.ping();
  await failureOf(fixture.client.putSecret(path, name, " padded"));
  fixture.emulator.faults.add({ kind: "answer", status: 500 }, { path: business });
  await failureOf(fixture.client.findSecret(path, name));
  await failureOf(fixture.client.findSecret(path, name));
  expect(seen.map(({ outcome }) => outcome)).toEqual(["ok", "INVALID_INPUT", "SERVER_ERROR", "UNREACHABLE"]);
  expect(seen[0]?.durationMs).toBeGreaterThan(50);
  expect(JSON.stringify(seen)).not.toMatch(/acmecorp|STRIPE|tenants/);
});

test("is a span for each call, which holds no path, name or value", async () => {
  const spans: { name: string; attributes: Attributes; isError: boolean; isEnded: boolean }[] = [];
  trace.setGlobalTracerProvider({ getTracer: () => tracerInto(spans) });
  await using fixture = await startFixture();
  await fixture.client.putSecret(path, name, value);
  fixture.emulator.faults.add({ kind: "answer", status: 500 }, { path: business });
  await failureOf(fixture.client.findSecret(path, name));
  expect(spans).toEqual([
    {
      name: "infisical putSecret",
      attributes: { "infisical.operation": "putSecret" },
      isError: false,
      isEnded: true,
    },
    {
      name: "infisical findSecret",
      attributes: { "infisical.operation": "findSecret", "error.type": "SERVER_ERROR" },
      isError: true,
      isEnded: true,
    },
  ]);
});

/** The smallest tracer that keeps what it is told. */
function tracerInto(
  spans: { name: string; attributes: Attributes; isError: boolean; isEnded: boolean }[],
): Tracer {
  const startSpan = (title: string, options: SpanOptions = {}): Span => {
    const recorded = { name: title, attributes: { ...options.attributes }, isError: false, isEnded: false };
    spans.push(recorded);
    const span: Span = {
      spanContext: () => ({ traceId: "0".repeat(32), spanId: "0".repeat(16), traceFlags: 0 }),
      setAttribute: (key, given) => {
        recorded.attributes[key] = given;
        return span;
      },
      setStatus: ({ code }) => {
        recorded.isError = code === SpanStatusCode.ERROR;
        return span;
      },
      end: () => void (recorded.isEnded = true),
      setAttributes: () => span,
      addEvent: () => span,
      addLink: () => span,
      addLinks: () => span,
      updateName: () => span,
      isRecording: () => true,
      recordException: () => {
        throw new Error("an exception's text belongs in no span");
      },
    };
    return span;
  };
  return {
    startSpan,
    startActiveSpan: (title: string, ...rest: unknown[]) => {
      const [options, work] = rest.length === 1 ? [{}, rest[0]] : [rest[0], rest.at(-1)];
      if (typeof work !== "function") throw new Error("no work");
      return work(startSpan(title, typeof options === "object" && options !== null ? options : {}));
    },
  };
}
