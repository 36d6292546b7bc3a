import { callTRPCProcedure, getTRPCErrorShape, type AnyTRPCRouter, type TRPCError } from "@trpc/server";

/** Any router of tRPC 11, also of another copy of it. */
export interface RouterLike {
  readonly _def: { readonly procedures: object; readonly lazy: object };
}

export interface WalkedProcedure {
  readonly path: string;
  readonly type: "query" | "mutation" | "subscription";
}

/** What a call came to. */
export type Outcome =
  | { readonly kind: "answer"; readonly answer: unknown }
  | { readonly kind: "error"; readonly code: unknown; readonly message: string; readonly data: unknown };

/** Every procedure of a router, those of lazy routers as well, which are loaded. */
export async function proceduresOf(router: RouterLike): Promise<readonly WalkedProcedure[]> {
  const { _def } = routerOf(router);
  for (let loaders = Object.values(_def.lazy); loaders.length > 0; loaders = Object.values(_def.lazy)) {
    for (const { load } of loaders) await load();
  }
  return Object.entries(_def.procedures).map(([path, procedure]) => ({ path, type: typeOf(procedure) }));
}

/** How long a subscription may say nothing until what it said is its answer, in milliseconds. */
const quietMs = 300;
/** So many of its messages are read. */
const maxMessages = 3;

/** Calls a procedure in process. Never rejects. */
export async function outcomeOf(
  router: RouterLike,
  { path, type }: WalkedProcedure,
  { ctx, input }: { readonly ctx: unknown; readonly input: unknown },
): Promise<Outcome> {
  const called = routerOf(router);
  const ending = new AbortController();
  try {
    const answer: unknown = await callTRPCProcedure({
      router: called,
      path,
      type,
      ctx,
      getRawInput: () => Promise.resolve(input),
      signal: ending.signal,
      batchIndex: 0,
    });
    return { kind: "answer", answer: isIterable(answer) ? await messagesOf(answer) : answer };
  } catch (thrown) {
    const error = trpcErrorOf(thrown);
    const { _config: config } = called._def;
    const shape: unknown = getTRPCErrorShape({ config, error, type, path, input, ctx });
    const data: unknown = Reflect.get(Object(shape), "data");
    const message = String(Reflect.get(Object(shape), "message") ?? error.message);
    return { kind: "error", code: error.code, message, data };
  } finally {
    ending.abort();
  }
}

async function messagesOf(subscription: AsyncIterable<unknown>): Promise<readonly unknown[]> {
  const messages: unknown[] = [];
  const iterator = subscription[Symbol.asyncIterator]();
  while (messages.length < maxMessages) {
    const { promise: quiet, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(resolve, quietMs, undefined);
    const next = iterator.next();
    // It may end with the signal after nobody waits for it.
    next.catch(() => {});
    const result = await Promise.race([next, quiet]).finally(() => clearTimeout(timer));
    if (result === undefined || result.done === true) break;
    messages.push(result.value);
  }
  // A generator that waits for its next message ends with the signal.
  void iterator.return?.().catch(() => {});
  return messages;
}

function isIterable(answer: unknown): answer is AsyncIterable<unknown> {
  return typeof answer === "object" && answer !== null && Symbol.asyncIterator in answer;
}

function typeOf(procedure: unknown): WalkedProcedure["type"] {
  const type: unknown = Reflect.get(Object(Reflect.get(Object(procedure), "_def")), "type");
  return type === "mutation" || type === "subscription" ? type : "query";
}

function routerOf(router: RouterLike): AnyTRPCRouter {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every router of tRPC 11 has this form, whichever copy of it made it
  return router as unknown as AnyTRPCRouter;
}

function trpcErrorOf(thrown: unknown): TRPCError {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- tRPC wraps whatever a procedure throws; it may be another copy's class
  return thrown as TRPCError;
}
