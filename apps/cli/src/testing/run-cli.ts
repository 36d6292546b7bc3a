import { spawn } from "node:child_process";
import { once } from "node:events";
import { buffer, text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";
import { dispatch } from "../command-line.ts";
import { failureOf, type Failure } from "../failure.ts";

export type Environment = Readonly<Record<string, string>>;

export interface Outcome {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const mainFile = fileURLToPath(new URL("../main.ts", import.meta.url));

/** Starts the program as a shell would: another process, with no more of an environment than is said here. */
export function startCli(args: readonly string[], environment: Environment = {}) {
  return spawn(process.execPath, [mainFile, ...args], { env: { ...environment } });
}

/** Runs it to its end. */
export async function cli(
  args: readonly string[],
  environment: Environment = {},
  input: string | Uint8Array = "",
): Promise<Outcome> {
  const child = startCli(args, environment);
  // A command that refuses its arguments ends without reading.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [stdout, stderr, [exitCode]] = await Promise.all([
    buffer(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return {
    exitCode: typeof exitCode === "number" ? exitCode : null,
    stdout: stdout.toString("utf8"),
    stderr,
  };
}

/** What a command that fails says, run in this process: starting one costs more than the failure itself. */
export async function failing(args: readonly string[], environment: Environment = {}): Promise<Failure> {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  try {
    await dispatch(args);
  } catch (error) {
    return await failureOf(error);
  } finally {
    vi.unstubAllEnvs();
  }
  throw new Error("the command did not fail");
}

/** What a command that succeeds prints, run in this process as {@link failing} does. */
export async function printed(
  args: readonly string[],
  environment: Environment = {},
): Promise<Pick<Outcome, "stdout" | "stderr">> {
  const written = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((chunk) => {
      written[name] += String(chunk);
      return true;
    }),
  );
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  try {
    await dispatch(args);
  } finally {
    vi.unstubAllEnvs();
    for (const spy of spies) spy.mockRestore();
  }
  return written;
}
