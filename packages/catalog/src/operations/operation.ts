import { z } from "zod";
import type { Verb } from "../vocabulary/actor.ts";
import { company } from "./fields.ts";

/** A query is sent with GET. A mutation changes something, or its input or answer may stand in no URL and no cache. */
type Kind = "query" | "mutation";

/** What the OpenAPI document says of an operation. */
export interface ServiceFacts {
  /** What it does, as sentences. */
  readonly summary: string;
  /** An input as it is sent in plain JSON, dates as text. */
  readonly example: Readonly<Record<string, unknown>>;
}

interface Facts<K extends Kind, O extends z.ZodType> {
  readonly kind: K;
  /** What the caller needs. It is enforced where the work is done. */
  readonly verb: Verb;
  readonly output: O;
  /** Of an operation that API keys may call: the OpenAPI document has it, and `/api/v1` serves it. */
  readonly forServices?: ServiceFacts | undefined;
  /** Counts each call of a caller against the limit of sensitive ones, beyond what its verb says. */
  readonly sensitive?: true | undefined;
  /** Asks a signed-in person to have confirmed within five minutes who they are. API keys, jobs and tokens are not asked. */
  readonly stepUp?: true | undefined;
  /** Allows it to a person who has yet to add the second factor that their role asks for. */
  readonly beforeEnrolment?: true | undefined;
}

/**
 * The definition of an operation: the only place where its input, its answer and their rules are written down. The router,
 * the typed client, the callers in process and the command line derive from it.
 */
export interface OperationDefinition<
  K extends Kind = Kind,
  I extends z.ZodType = z.ZodType,
  O extends z.ZodType = z.ZodType,
> extends Facts<K, O> {
  readonly input: I;
}

export function operation<const K extends Kind, I extends z.ZodType, O extends z.ZodType>(
  definition: OperationDefinition<K, I, O>,
): OperationDefinition<K, I, O> {
  return definition;
}

/** An operation that needs no credential. */
export type PublicOperationDefinition<
  K extends Kind = Kind,
  I extends z.ZodType = z.ZodType,
  O extends z.ZodType = z.ZodType,
> = Omit<OperationDefinition<K, I, O>, "verb" | "sensitive" | "forServices">;

export function publicOperation<const K extends Kind, I extends z.ZodType, O extends z.ZodType>(
  definition: PublicOperationDefinition<K, I, O>,
): PublicOperationDefinition<K, I, O> {
  return definition;
}

/** An operation in one company, which the router resolves. */
export interface CompanyOperation<
  K extends Kind = Kind,
  A extends string = string,
  S extends z.ZodRawShape = z.ZodRawShape,
  O extends z.ZodType = z.ZodType,
> extends Facts<K, O> {
  /** What the audit log calls it. */
  readonly action: A;
  /** Whether a lost answer leaves open if it changed something. Default: as the verb says. */
  readonly changes?: boolean | undefined;
  /** A field that makes a call a sensitive one where it is true. */
  readonly sensitiveWith?: (keyof S & string) | undefined;
  /** What is asked of a company. */
  readonly input: z.ZodObject<S, z.core.$strict>;
  /** The same as it is sent, with the company. */
  readonly request: z.ZodObject<{ company: typeof company } & S, z.core.$strict>;
}

/** @param definition its `input` is the fields beside the company */
export function companyOperation<
  const K extends Kind,
  const A extends string,
  S extends z.ZodRawShape,
  O extends z.ZodType,
>(
  definition: Omit<CompanyOperation<K, A, S, O>, "input" | "request"> & { readonly input: S },
): CompanyOperation<K, A, S, O> {
  const { input } = definition;
  return { ...definition, input: z.strictObject(input), request: z.strictObject({ company, ...input }) };
}

interface Shape {
  readonly input: z.ZodType;
  readonly output: z.ZodType;
}

export type InputOf<D extends Pick<Shape, "input">> = Readonly<z.infer<D["input"]>>;
export type OutputOf<D extends Pick<Shape, "output">> = z.infer<D["output"]>;

/** Operations as functions, the way that a client has them. */
export type CallsOf<D> = {
  readonly [N in keyof D]: D[N] extends Shape ? (input: InputOf<D[N]>) => Promise<OutputOf<D[N]>> : never;
};

/**
 * @param call does what the operation of this name is defined to do: sends the input, or passes it on in process
 * @returns a function for each operation
 */
export function callsOf<const D extends Readonly<Record<string, Shape>>>(
  definitions: D,
  call: (name: keyof D & string, input: object) => Promise<unknown>,
): CallsOf<D> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `call` answers what the definition of the name says
  return Object.fromEntries(
    Object.keys(definitions).map((name) => [name, (input: object) => call(name, input)]),
  ) as CallsOf<D>;
}
