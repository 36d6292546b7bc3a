import { z } from "zod";
import type { ServiceFacts } from "@repo/catalog";
import { appRouter } from "./router.ts";
import type { ProcedureMeta } from "./trpc.ts";

/** A procedure that API keys may call. */
export interface ServiceProcedure extends ServiceFacts {
  readonly kind: "query" | "mutation";
  readonly input: z.ZodType;
  readonly output: z.ZodType;
}

interface BuiltProcedure {
  readonly _def: {
    readonly type: "query" | "mutation";
    readonly meta?: ProcedureMeta | undefined;
    readonly inputs: readonly unknown[];
    readonly output?: unknown;
  };
}

/** By path: `secrets.read`. Those of the router whose definition says so. */
export const serviceProcedures: ReadonlyMap<string, ServiceProcedure> = new Map(
  Object.entries(builtProcedures()).flatMap(([path, { _def }]) => {
    const { type: kind, meta, inputs, output } = _def;
    if (meta?.forServices === undefined) return [];
    const input = inputs[0] ?? z.strictObject({});
    if (!(input instanceof z.ZodType) || !(output instanceof z.ZodType)) {
      throw new TypeError(`${path} has no schema`);
    }
    return [[path, { ...meta.forServices, kind, input, output }] as const];
  }),
);

function builtProcedures(): Readonly<Record<string, BuiltProcedure>> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- tRPC keeps them by path, whatever its types say
  return appRouter._def.procedures as unknown as Readonly<Record<string, BuiltProcedure>>;
}
