import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import { z } from "zod";
import { answerTooLarge, maxAnswerBytes } from "./answer-size.ts";
import { parseRetryAfter } from "./outcome.ts";
import { parseRateState } from "./rate-budget.ts";
import type { RateState } from "./rate-budget.ts";

/** What the network last showed for a call that goes through the SDK, which hides it behind retries and bare texts. */
export type Sighting =
  | {
      readonly kind: "status";
      readonly status: number;
      readonly retryAfterMs?: number;
      readonly rate?: RateState;
    }
  | { readonly kind: "network-failure" }
  | { readonly kind: "too-large" };

export type Witness = (sighting: Sighting) => void;

const calls = new AsyncLocalStorage<Witness>();
// The headers of an answer arrive in the context of the socket, which a pooled connection shares between calls.
const witnesses = new WeakMap<object, Witness>();
const sizes = new WeakMap<object, number>();

const created = z.object({
  request: z.custom<object>((value) => typeof value === "object" && value !== null),
});
// What the transport lets a listener do with a request: change its headers, and end it.
const request = z.object({
  headers: z.array(z.unknown()),
  abort: z.custom<(reason: Error) => void>((value) => typeof value === "function").nullish(),
});
const received = created.extend({ chunk: z.instanceof(Uint8Array) });
const answered = created.extend({
  response: z.object({ statusCode: z.number(), headers: z.array(z.instanceof(Uint8Array)) }),
});

let isSubscribed = false;

/** Runs `work` and tells `witness` what each of its fetches met. */
export function witnessed<T>(witness: Witness, work: () => Promise<T>): Promise<T> {
  if (!isSubscribed) subscribeOnce();
  return calls.run(witness, work);
}

function subscribeOnce(): void {
  isSubscribed = true;
  subscribe("undici:request:create", (message) => {
    const witness = calls.getStore();
    const event = witness && created.safeParse(message).data;
    if (!witness || !event) return;
    witnesses.set(event.request, witness);
    asksUnpacked(event.request);
  });
  subscribe("undici:request:headers", (message) => {
    const witness = witnessOf(message);
    const event = witness && answered.safeParse(message).data;
    if (!witness || !event) return;
    // The size of a compressed body says nothing about its content.
    if (isPacked(headerOf(event.response.headers, "content-encoding"))) end(event.request, witness);
    const retryAfterMs = parseRetryAfter(headerOf(event.response.headers, "retry-after"));
    const status = event.response.statusCode;
    const rate = parseRateState((name) => headerOf(event.response.headers, name));
    witness({
      kind: "status",
      status,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(rate === undefined ? {} : { rate }),
    });
  });
  subscribe("undici:request:bodyChunkReceived", (message) => {
    const witness = witnessOf(message);
    const event = witness && received.safeParse(message).data;
    if (!witness || !event) return;
    const sizeBytes = (sizes.get(event.request) ?? 0) + event.chunk.byteLength;
    sizes.set(event.request, sizeBytes);
    if (sizeBytes > maxAnswerBytes) end(event.request, witness);
  });
  subscribe("undici:request:error", (message) => witnessOf(message)?.({ kind: "network-failure" }));
}

/** Ends an exchange whose answer is not to be read any further. */
function end(exchange: object, witness: Witness): void {
  witness({ kind: "too-large" });
  request.safeParse(exchange).data?.abort?.(answerTooLarge());
}

/** The SDK asks for packed answers, of which a few KiB can be gigabytes once it has unpacked them. */
function asksUnpacked(exchange: object): void {
  const { headers } = request.safeParse(exchange).data ?? { headers: [] };
  const index = headers.findIndex((item, at) => at % 2 === 0 && item === "accept-encoding");
  if (index !== -1) Reflect.set(Object(Reflect.get(exchange, "headers")), index + 1, "identity");
}

const isPacked = (encoding: string | undefined) => encoding !== undefined && encoding !== "identity";

function witnessOf(message: unknown): Witness | undefined {
  const event = created.safeParse(message).data;
  return event && witnesses.get(event.request);
}

function headerOf(raw: readonly Uint8Array[], name: string): string | undefined {
  const index = raw.findIndex(
    (item, at) => at % 2 === 0 && Buffer.from(item).toString("latin1").toLowerCase() === name,
  );
  const value = index === -1 ? undefined : raw[index + 1];
  return value && Buffer.from(value).toString("latin1");
}
