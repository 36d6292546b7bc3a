import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";
import { commandLine, dispatch } from "../command-line.ts";
import { failureOf, type Failure } from "../failure.ts";
import { replaceEnvironment } from "./env.ts";

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

/** Runs it to its end. For what is about a process: what comes of its start, and that it ends by itself. */
export async function cliProcess(
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

let earlier: Promise<unknown> = Promise.resolve();

/**
 * What {@link cliProcess} answers, from the program's body run in this process: a start costs ten times what a command does.
 * One after the other, because the streams and the environment are those of the whole process.
 */
export function cli(
  args: readonly string[],
  environment: Environment = {},
  input: string | Uint8Array = "",
): Promise<Outcome> {
  const outcome = earlier.then(async () => {
    using written = interceptWriting();
    const stdin = Object.getOwnPropertyDescriptor(process, "stdin");
    const value = Readable.from(input.length === 0 ? [] : [Buffer.from(input)]);
    Object.defineProperty(process, "stdin", { configurable: true, value });
    const putBack = replaceEnvironment(environment);
    try {
      const exitCode = await commandLine(args);
      return { exitCode, stdout: written.stdout, stderr: written.stderr };
    } finally {
      putBack();
      if (stdin !== undefined) Object.defineProperty(process, "stdin", stdin);
    }
  });
  earlier = outcome.catch(() => {});
  return outcome;
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
  using written = interceptWriting();
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  try {
    await dispatch(args);
  } finally {
    vi.unstubAllEnvs();
  }
  return { stdout: written.stdout, stderr: written.stderr };
}

/** Collects what is written to the standard streams, until it is disposed. */
function interceptWriting(): Record<"stdout" | "stderr", string> & Disposable {
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((chunk) => {
      written[name] += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8");
      return true;
    }),
  );
  const written = {
    stdout: "",
    stderr: "",
    [Symbol.dispose]: () => spies.forEach((spy) => spy.mockRestore()),
  };
  return written;
}
