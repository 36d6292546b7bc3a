import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import type { z } from "zod";
import { inArguments, UsageError } from "./failure.ts";
import { nearest } from "./nearest.ts";

export interface Option {
  readonly type: "string" | "boolean";
  /** May be given more than once. */
  readonly multiple?: boolean;
  readonly required?: boolean;
  /** What stands for its value in the help. */
  readonly value?: string;
  readonly help: string;
  /** The field of the API that it fills, where that has another name: `graceSeconds` for `--grace`. */
  readonly field?: string;
}

/**
 * An option that fills a field of an operation. What it is for stands in the field's definition, and is said there once.
 *
 * @throws {TypeError} for a field whose definition does not say it
 */
export function fieldOption<const O extends Omit<Option, "help">>(
  { description }: Pick<z.ZodType, "description">,
  option: O,
): O & Pick<Option, "help"> {
  if (description === undefined) throw new TypeError("a field that an option fills has a description");
  return { ...option, help: description };
}

type Options = Readonly<Record<string, Option>>;

type OptionValue<O extends Option> = O extends { readonly type: "boolean" }
  ? boolean
  : O extends { readonly multiple: true }
    ? readonly string[]
    : O extends { readonly required: true }
      ? string
      : string | undefined;

type Values<O extends Options, P extends string, Q extends string> = {
  readonly [K in keyof O]: OptionValue<O[K]>;
} & { readonly [K in P]: string } & { readonly [K in Q]: string | undefined } & { readonly json: boolean };

interface Description {
  /** What to know before using it; whole lines. */
  readonly details: string;
  /** What comes after "pnpm secrets ", or a whole line that has it. */
  readonly examples: readonly string[];
}

interface Definition<O extends Options, P extends string, Q extends string> extends Description {
  readonly positionals: readonly P[];
  /** A last positional that may be left out. */
  readonly optional?: Q;
  readonly options: O;
  /** Why there may not be more positionals, where that needs saying. */
  readonly surplus?: string;
  readonly run: (values: Values<O, P, Q>) => Promise<void>;
}

export interface Command extends Description {
  readonly positionals: readonly string[];
  readonly optional?: string;
  readonly options: Options;
  /** @throws {UsageError} before anything is done, when the arguments do not fit */
  run(args: readonly string[]): Promise<void>;
}

/** A command in the list of commands. */
export interface Entry {
  readonly summary: string;
  /** Imports the command's module. Dynamic, so that help and argument errors load no other command. */
  readonly load: () => Promise<Command>;
}

const everywhere = {
  json: {
    type: "boolean",
    help: "Machine-readable: JSON on standard output, errors as JSON on standard error",
  },
} as const satisfies Options;

/** What a command calls the fields of the API that its arguments fill: `--expected-version`, `<secretKey>`. */
function argumentNames({
  positionals,
  optional,
  options,
}: Omit<Command, "run">): ReadonlyMap<string, string> {
  const places = optional === undefined ? positionals : [...positionals, optional];
  return new Map([
    ...places.map((name) => [name, `<${name}>`] as const),
    ...Object.entries(options).map(([name, { field = camelCase(name) }]) => [field, `--${name}`] as const),
  ]);
}

function camelCase(option: string): string {
  return option.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** A command whose `run` gets its arguments typed by what it declares. `--json` and `--help` come with every one. */
export function defineCommand<
  const O extends Options,
  const P extends string,
  const Q extends string = never,
>(definition: Definition<O, P, Q>): Command {
  const options: Options = { ...definition.options, ...everywhere };
  return {
    ...definition,
    options,
    run: async (args) => {
      const raw = parse(args, options);
      const { positionals, optional, surplus } = definition;
      const names = optional === undefined ? positionals : [...positionals, optional];
      const missing = positionals[raw.positionals.length];
      if (missing !== undefined) throw new UsageError(`<${missing}> is missing.`);
      if (raw.positionals.length > names.length) {
        throw new UsageError(surplus ?? `There are too many arguments: this command takes ${names.length}.`);
      }
      const named = Object.fromEntries(names.map((name, index) => [name, raw.positionals[index]]));
      try {
        await definition.run(asValues<O, P, Q>({ ...named, ...raw.values }));
      } catch (error) {
        throw await inArguments(error, argumentNames({ ...definition, options }));
      }
    },
  };
}

/** `parse` filled in every option in the form that it declares, and every positional was found to be there. */
function asValues<O extends Options, P extends string, Q extends string>(values: unknown): Values<O, P, Q> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return values as Values<O, P, Q>;
}

function parse(args: readonly string[], options: Options) {
  const config: ParseArgsOptionsConfig = Object.fromEntries(
    Object.entries(options).map(([name, { type, multiple = false }]) => [name, { type, multiple }]),
  );
  const parsed = strictly(args, config);
  const seen = new Set<string>();
  for (const token of parsed.tokens) {
    if (token.kind !== "option") continue;
    if (seen.has(token.name) && options[token.name]?.multiple !== true) {
      throw new UsageError(`--${token.name} is given twice.`);
    }
    seen.add(token.name);
  }
  const values = Object.entries(options).map(([name, { type, multiple, required, value }]) => {
    const given = parsed.values[name];
    if (required === true && (given === undefined || given === "")) {
      throw new UsageError(`--${name} <${value ?? "value"}> is missing.`);
    }
    return [name, given ?? (type === "boolean" ? false : multiple === true ? [] : undefined)];
  });
  return { values: Object.fromEntries(values), positionals: parsed.positionals };
}

function strictly(args: readonly string[], options: ParseArgsOptionsConfig) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true, tokens: true });
  } catch (error) {
    throw refusal(error instanceof Error ? error.message : "", Object.keys(options));
  }
}

/** Node's own sentences name the option, which may be a value that lost its place: only the form of a name passes. */
function refusal(message: string, names: readonly string[]): UsageError {
  const unknown = /^Unknown option '(--[a-z][a-z-]{0,30})'/.exec(message)?.[1];
  if (unknown !== undefined) {
    const meant = nearest(unknown.slice(2), names);
    return new UsageError(
      `There is no option ${unknown}.${meant === undefined ? "" : ` Did you mean --${meant}?`}`,
    );
  }
  const known = names.find((name) => message.startsWith(`Option '--${name}`));
  if (known === undefined) return new UsageError("There is an option that this command does not have.");
  return new UsageError(
    message.includes("does not take an argument")
      ? `--${known} takes no value.`
      : `--${known} has no value. One that begins with a dash is written --${known}=-….`,
  );
}
