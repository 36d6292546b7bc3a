import { readFileSync } from "node:fs";
import { z } from "zod";

export type Variables = Readonly<Record<string, string | undefined>>;

/** Thrown when the environment does not fit. The message names variables and rules, never a value. */
export class EnvironmentError extends Error {
  override readonly name = "EnvironmentError";
}

/**
 * Reads the variables of `shape` from `source`.
 *
 * Each variable may be given as `NAME` or as `NAME_FILE`, the path of a file that holds it (one trailing
 * newline is dropped, as secret mounts and `echo` add one). An empty variable counts as absent.
 *
 * @param shape a zod shape: one schema per variable
 * @param source usually `process.env`
 * @returns the parsed variables
 * @throws {EnvironmentError} when a variable is missing or malformed, given twice, or its file is unreadable
 */
export function readEnvironment<Shape extends z.ZodRawShape>(
  shape: Shape,
  source: Variables,
): z.output<z.ZodObject<Shape>> {
  const problems = new Map<string, string>();
  const raw: Record<string, string> = {};
  for (const name of Object.keys(shape)) {
    const direct = source[name] || undefined;
    const file = source[`${name}_FILE`] || undefined;
    if (direct !== undefined && file !== undefined)
      problems.set(name, `and ${name}_FILE are both set; keep one`);
    else if (direct !== undefined) raw[name] = direct;
    else if (file !== undefined) {
      const content = readOptional(file);
      if (content === undefined) problems.set(name, `cannot be read from the file that ${name}_FILE names`);
      else if (content !== "") raw[name] = content;
    }
  }
  const parsed = z.object(shape).safeParse(raw);
  if (parsed.success && problems.size === 0) return parsed.data;
  for (const issue of parsed.error?.issues ?? []) {
    const name = String(issue.path[0]);
    if (problems.has(name)) continue;
    // zod's own texts may quote the input, so only ours are printed, or the bare fact.
    const rule =
      name in raw
        ? issue.code === "custom"
          ? issue.message
          : "has a form that is not accepted"
        : "is not set";
    problems.set(name, rule);
  }
  const lines = [...problems].map(([name, problem]) => `${name} ${problem}`);
  throw new EnvironmentError(
    `The environment is not complete:\n  ${lines.join("\n  ")}\nSee docs/configuration.md.`,
  );
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").replace(/\r?\n$/, "");
  } catch {
    return undefined;
  }
}
