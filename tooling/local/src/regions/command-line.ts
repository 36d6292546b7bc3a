import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Variables } from "../environment.ts";

const program = fileURLToPath(new URL("../../../../apps/cli/src/main.ts", import.meta.url));

/** Runs `pnpm secrets …`. @returns what it prints @throws {Error} with what it prints where it fails */
export type CommandLine = (args: readonly string[], more?: CommandOptions) => Promise<string>;

interface CommandOptions {
  readonly variables?: Variables;
  /** For its standard input. */
  readonly input?: string;
}

/** @param variables of each run, beside those of the command line's own process */
export function createCommandLine(variables: Variables): CommandLine {
  return async (args, { variables: more, input } = {}) => {
    const running = promisify(execFile)(process.execPath, [program, ...args], {
      env: { ...variables, ...more },
    });
    running.child.stdin?.end(input ?? "");
    try {
      const { stdout } = await running;
      return stdout.trimEnd();
    } catch (error) {
      const printed = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
      throw new Error(`pnpm secrets ${args.join(" ")} failed: ${printed}`, { cause: error });
    }
  };
}
