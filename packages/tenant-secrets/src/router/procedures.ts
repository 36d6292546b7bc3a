import type { TRPCMutationProcedure, TRPCQueryProcedure } from "@trpc/server";
import { z } from "zod";
import {
  type Caller,
  type InputOf,
  type OperationDefinition,
  type OutputOf,
  type PublicOperationDefinition,
  type VaultOperations,
  vaultOperations,
} from "@repo/catalog";
import type { Visitor } from "../companies/acceptance.ts";
import type { Services } from "../product-services.ts";
import { handlerOf, resolveFor } from "../vault/authorize.ts";
import { procedure, publicProcedure, type Context, type ProcedureMeta } from "./trpc.ts";

/** The request schema of a definition: its input, with the company if it has one. */
type SentOf<D> = D extends { readonly request: infer R extends z.ZodType }
  ? z.input<R>
  : D extends { readonly input: infer I extends z.ZodType }
    ? z.input<I>
    : never;

export interface TypesOf<D extends { readonly output: z.ZodType }> {
  readonly input: SentOf<D>;
  readonly output: OutputOf<D>;
  readonly meta: ProcedureMeta;
}

type Defined = Pick<
  OperationDefinition,
  "kind" | "verb" | "input" | "output" | "sensitive" | "stepUp" | "beforeEnrolment" | "forServices"
> & {
  readonly request?: z.ZodType;
};

/** The procedures of operations, typed as tRPC would infer them from separate definitions. */
export type ProceduresOf<D extends Readonly<Record<string, Defined>>> = {
  [N in keyof D]: D[N]["kind"] extends "query"
    ? TRPCQueryProcedure<TypesOf<D[N]>>
    : TRPCMutationProcedure<TypesOf<D[N]>>;
};

type CallContext = Omit<Context, "caller"> & { readonly caller: Caller };

/** Executes a procedure, whose input has been parsed. */
type Run = (context: CallContext, input: unknown) => Promise<unknown>;

/** Builds one procedure per definition: its input, output and verb, and the implementation from `runOf`. */
function build<D extends Readonly<Record<string, Defined>>>(
  definitions: D,
  runOf: (name: keyof D & string) => Run,
): ProceduresOf<D> {
  const built = Object.entries(definitions).map(([name, definition]) => {
    const {
      kind,
      verb,
      output,
      sensitive,
      stepUp,
      beforeEnrolment,
      forServices,
      request: input = definition.input,
    } = definition;
    const run = runOf(name);
    const base = procedure({
      verb,
      sensitive: sensitive === true,
      stepUp: stepUp === true,
      beforeEnrolment: beforeEnrolment === true,
      forServices,
    });
    const typed = (input instanceof z.ZodVoid ? base : base.input(input)).output(output);
    return [
      name,
      kind === "query"
        ? typed.query(({ ctx, input: sent }) => run(ctx, sent))
        : typed.mutation(({ ctx, input: sent }) => run(ctx, sent)),
    ];
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each was built from the definition of its name
  return Object.fromEntries(built) as ProceduresOf<D>;
}

/** What a service answers: for an output of null nothing, and for one that may be null also undefined. */
type AnswerOf<Output> = [Output] extends [null] ? void : null extends Output ? Output | undefined : Output;

/** The services that implement the operations. */
export type HandlersOf<D extends Readonly<Record<string, OperationDefinition>>> = {
  readonly [N in keyof D]: (
    services: Services,
    caller: Caller,
    input: InputOf<D[N]>,
  ) => Promise<AnswerOf<OutputOf<D[N]>>>;
};

/** Procedures whose services resolve companies themselves, or have no company. */
export function procedures<D extends Readonly<Record<string, OperationDefinition>>>(
  definitions: D,
  handlers: HandlersOf<D>,
): ProceduresOf<D> {
  return build(definitions, (name) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- TypeScript loses that the input belongs to the name
    const handler = handlers[name] as (
      services: Services,
      caller: Caller,
      input: unknown,
    ) => Promise<unknown>;
    return async ({ secrets, caller }, input) => (await handler(secrets, caller, input)) ?? null;
  });
}

/** The services that implement operations which need no credential. */
type PublicHandlersOf<D extends Readonly<Record<string, PublicOperationDefinition>>> = {
  readonly [N in keyof D]: (
    services: Services,
    visitor: Visitor,
    input: InputOf<D[N]>,
  ) => Promise<OutputOf<D[N]>>;
};

/** Procedures that need no credential. All of them are sent with POST: what they take may stand in no URL. */
export function publicProcedures<D extends Readonly<Record<string, PublicOperationDefinition<"mutation">>>>(
  definitions: D,
  handlers: PublicHandlersOf<D>,
): { [N in keyof D]: TRPCMutationProcedure<TypesOf<D[N]>> } {
  const built = Object.entries(definitions).map(([name, { input, output }]) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- TypeScript loses that the input belongs to the name
    const handler = handlers[name] as (
      services: Services,
      visitor: Visitor,
      input: unknown,
    ) => Promise<unknown>;
    const typed = publicProcedure().input(input).output(output);
    return [name, typed.mutation(({ ctx, input: sent }) => handler(ctx.secrets, ctx.sender, sent))];
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each was built from the definition of its name
  return Object.fromEntries(built) as { [N in keyof D]: TRPCMutationProcedure<TypesOf<D[N]>> };
}

const InCompany = z.looseObject({ company: z.string() });

/** The vault's procedures. Each call runs in the company of its request's scope, or in the one that it names. */
export function vaultProcedures(): ProceduresOf<VaultOperations> {
  return build(vaultOperations, (name) => {
    const operation = vaultOperations[name];
    const sensitiveWith: string | undefined = operation.sensitiveWith;
    return async ({ secrets, caller, isRemote, ...context }, sent) => {
      const { company, ...input } = InCompany.parse(sent);
      const isSensitive = sensitiveWith !== undefined && input[sensitiveWith] === true;
      if (isSensitive) await secrets.limits.admitCall(caller, true);
      const scope =
        context.scope?.company.subdomain === company
          ? { ...context.scope, caller }
          : await resolveFor(secrets.companies, { caller, operation, company, input });
      return handlerOf(secrets.vault, name)({ ...scope, isRemote }, input);
    };
  });
}
