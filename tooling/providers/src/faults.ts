import { z } from "zod";

/** Until the milliseconds are over, or the calls are made. */
const Span = z.union([
  z.strictObject({ ms: z.int().min(0) }),
  z.strictObject({ calls: z.int().min(0).max(1_000_000) }),
]);

/** Which requests meet a fault. */
const target = {
  method: z
    .string()
    .transform((method) => method.toUpperCase())
    .optional(),
  /** Without the query. A `*` stands for any text. */
  path: z.string().startsWith("/").optional(),
  /** How many requests meet it. */
  times: z.union([z.int().min(1), z.literal("always")]).default(1),
};

/** Whether the request is carried out before it gets the wrong answer. */
const afterEffect = z.boolean().default(false);

/** What can go wrong, in the words of the function `add` and of `POST /faults`. */
const Fault = z.discriminatedUnion("fault", [
  /** The request waits before it is carried out. */
  z.strictObject({ fault: z.literal("delay"), ms: z.int().min(0).max(600_000), ...target }),
  /** The connection ends, and nothing is carried out. */
  z.strictObject({ fault: z.literal("dropBefore"), ...target }),
  /** The request is carried out, and the connection ends without an answer. */
  z.strictObject({ fault: z.literal("dropAfter"), ...target }),
  z.strictObject({
    fault: z.literal("status"),
    status: z.int().min(200).max(599),
    /** Of the header Retry-After: seconds, or any text. */
    retryAfter: z.union([z.number(), z.string()]).optional(),
    /** Further ones. */
    headers: z.record(z.string(), z.string()).optional(),
    afterEffect,
    ...target,
  }),
  /** 200 with a page, as by something between the caller and the provider. */
  z.strictObject({ fault: z.literal("html"), afterEffect, ...target }),
  /** The request is carried out, and the first half of the answer is sent as if it were the whole. */
  z.strictObject({ fault: z.literal("halfJson"), ...target }),
  /** A credential is created, and the answer names it with an empty value. */
  z.strictObject({ fault: z.literal("emptyKey"), ...target }),
  /** A credential is created in another account than the one that asked. */
  z.strictObject({ fault: z.literal("otherAccount"), ...target }),
  /** A credential is created, and refused for a while. */
  z.strictObject({ fault: z.literal("propagation"), for: Span, ...target }),
  /** A credential is created, accepted for a while, and then revoked. */
  z.strictObject({ fault: z.literal("breakNew"), for: Span.default({ calls: 0 }), ...target }),
  /** A credential is deleted, and still accepted for a while. */
  z.strictObject({ fault: z.literal("slowDeletion"), for: Span, ...target }),
  /** No credential is created where there are so many already. */
  z.strictObject({ fault: z.literal("limit"), credentials: z.int().min(0).default(0), ...target }),
]);

export type Span = z.output<typeof Span>;
export type Fault = z.output<typeof Fault>;
export type FaultKind = Fault["fault"];
export type FaultOf<Kind extends FaultKind> = Extract<Fault, { readonly fault: Kind }>;

export interface Faults {
  /**
   * The next requests that fit meet this fault; of the faults of one kind, the oldest goes first.
   *
   * @throws {z.ZodError} for what is no fault
   */
  add(fault: z.input<typeof Fault>): void;
  clear(): void;
  /** Those that are still to be met, oldest first; `times` is how often. */
  open(): readonly Fault[];
}

export interface FaultQueue extends Faults {
  /** @returns the oldest fault of these kinds that is for the request, which now has met it */
  take<Kind extends FaultKind>(
    kinds: readonly Kind[],
    request: { readonly method: string; readonly path: string },
  ): FaultOf<Kind> | undefined;
}

export function createFaultQueue(): FaultQueue {
  let open: readonly Fault[] = [];
  return {
    add: (fault) => {
      open = [...open, Fault.parse(fault)];
    },
    clear: () => {
      open = [];
    },
    open: () => open,
    take<Kind extends FaultKind>(kinds: readonly Kind[], request: { method: string; path: string }) {
      const isTaken = (fault: Fault): fault is FaultOf<Kind> =>
        kinds.some((kind) => kind === fault.fault) && isFor(fault, request);
      const taken = open.find(isTaken);
      open = open.flatMap((fault) => (fault === taken ? remainderOf(fault) : [fault]));
      return taken;
    },
  };
}

function remainderOf(fault: Fault): readonly Fault[] {
  if (fault.times === "always") return [fault];
  return fault.times > 1 ? [{ ...fault, times: fault.times - 1 }] : [];
}

function isFor(
  { method, path }: Fault,
  request: { readonly method: string; readonly path: string },
): boolean {
  if (method !== undefined && method !== request.method) return false;
  return path === undefined || patternOf(path).test(request.path.split("?", 1)[0] ?? "");
}

const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replaceAll(/[^\w/]/g, "\\$&").replaceAll("\\*", ".*")}$`, "s");
