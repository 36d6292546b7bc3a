import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

/**
 * Starts the server with these environment variables alone. The caller ends it.
 *
 * @returns the process, and the address that it listens on
 * @throws {Error} with all that it printed, if it ends before it listens
 */
export async function startServer(
  env: Readonly<Record<string, string>>,
): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, "../server.ts")], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const listening = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      const [url] = /http:\S+(?=\n)/.exec(output) ?? [];
      if (url !== undefined) listening.resolve(url);
    });
  }
  const ended = once(child, "close").then(([code, signal]: unknown[]) => {
    throw new Error(`The server ended with ${String(signal ?? code)} before it listened:\n${output}`);
  });
  // The server ends after the tests, too.
  ended.catch(() => {});
  return { child, url: await Promise.race([listening.promise, ended]) };
}
