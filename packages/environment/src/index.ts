import { readFileSync } from "node:fs";
import { z } from "zod";
import { EnvironmentError } from "./environment-error.ts";

export { EnvironmentError };
export { loadNamedModule, type NamedModule } from "./named-module.ts";

export type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Reads the variables of `shape` from `source`.
 *
 * Each variable may be given as `NAME` or as `NAME_FILE`, the path of a file that holds it in UTF-8 (a byte order mark and
 * one trailing newline are dropped, as secret mounts, `echo` and editors add them). An empty variable is treated as absent.
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
      const { text, problem } = readText(file);
      if (problem !== undefined) problems.set(name, `${problem} the file that ${name}_FILE names`);
      else if (text !== "") raw[name] = text;
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

function readText(path: string): { readonly text: string; readonly problem?: string } {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    return { text: "", problem: "cannot be read from" };
  }
  try {
    // A byte order mark at the beginning, as editors on Windows write one, is dropped.
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, "") };
  } catch {
    return { text: "", problem: "is not UTF-8 text in" };
  }
}
