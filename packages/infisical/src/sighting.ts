import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import { z } from "zod";
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
  | { readonly kind: "network-failure" };

export type Witness = (sighting: Sighting) => void;

const calls = new AsyncLocalStorage<Witness>();
// The headers of an answer arrive in the context of the socket, which a pooled connection shares between calls.
const witnesses = new WeakMap<object, Witness>();

const created = z.object({
  request: z.custom<object>((value) => typeof value === "object" && value !== null),
});
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
    if (witness && event) witnesses.set(event.request, witness);
  });
  subscribe("undici:request:headers", (message) => {
    const witness = witnessOf(message);
    const event = witness && answered.safeParse(message).data;
    if (!witness || !event) return;
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
  subscribe("undici:request:error", (message) => witnessOf(message)?.({ kind: "network-failure" }));
}

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
