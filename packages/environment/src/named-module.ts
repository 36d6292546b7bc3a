import { existsSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { EnvironmentError } from "./environment-error.ts";

export interface NamedModule<T> {
  /** The variable that names the module, for the messages. */
  readonly variable: string;
  /** Its value: a path that begins with `.` or `/`, from the working directory, or the name of a package. */
  readonly named: string;
  /** `(specifier) => import(specifier)` of the program, so that packages are looked for among its dependencies. */
  readonly importModule: (specifier: string) => Promise<unknown>;
  /** What the module has to export, with its article: "a catalogue (defineCatalog)". */
  readonly what: string;
  readonly isOne: (exported: unknown) => exported is T;
}

export interface LoadedModule<T> {
  /** The export of the right kind. */
  readonly found: T;
  /** All exports by name. */
  readonly exported: Readonly<Record<string, unknown>>;
}

/**
 * Loads the module that a variable names, and finds the one export of it that is of the right kind, whatever its name.
 *
 * @throws {EnvironmentError} where the module is not there, cannot be loaded, or exports none or several. The message quotes
 *   no value of the variable; of an error that the module itself throws it quotes the message
 */
export async function loadNamedModule<T>(module: NamedModule<T>): Promise<LoadedModule<T>> {
  const { variable, what, isOne } = module;
  const exported: Readonly<Record<string, unknown>> = { ...(await importNamed(module)) };
  // One object under two names, such as a default export beside a named one, is one.
  const found = new Set(Object.values(exported).filter((each) => isOne(each)));
  const [only, ...others] = found;
  if (only === undefined)
    throw new EnvironmentError(`${variable} names a module that exports nothing that is ${what}.`);
  if (others.length > 0)
    throw new EnvironmentError(
      `${variable} names a module with ${found.size} exports that are ${what}; it has to have one.`,
    );
  return { found: only, exported };
}

async function importNamed<T>({ variable, named, importModule }: NamedModule<T>): Promise<object> {
  const isPath = /^(?:\.{0,2}\/|\.)/.test(named);
  const file = path.resolve(named);
  if (isPath && !existsSync(file))
    throw new EnvironmentError(
      `${variable} names a file that does not exist. It is looked for from the working directory, ${process.cwd()}.`,
    );
  try {
    const loaded = await importModule(isPath ? pathToFileURL(file).href : named);
    return typeof loaded === "object" && loaded !== null ? loaded : {};
  } catch (error) {
    if (!isPath && isNotFound(error))
      throw new EnvironmentError(
        `${variable} names a package that is not among the dependencies of this program. A path begins with ./ or /.`,
      );
    throw new EnvironmentError(
      `${variable} names a module that cannot be loaded: ${error instanceof Error ? `${error.name}: ${error.message}` : "it throws a value that is not an error"}`,
    );
  }
}

function isNotFound(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    ["ERR_MODULE_NOT_FOUND", "ERR_PACKAGE_PATH_NOT_EXPORTED", "ERR_INVALID_MODULE_SPECIFIER"].includes(
      String(error.code),
    )
  );
}
