import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createApiLog, printable } from "./api-log.ts";
import type { Variables } from "./environment.ts";

const server = fileURLToPath(new URL("../../../apps/hono-api/src/server.ts", import.meta.url));
const followParent = new URL("follow-parent.ts", import.meta.url).href;

const stopTimeoutMs = 4_000;
const probeTimeoutMs = 3_000;
const quietMs = 5_000;

export interface ApiProcess {
  /** Resolves when /readyz reports ready, and reports the missing parts meanwhile. @throws {Error} when the process ends before */
  ready(): Promise<void>;
  /** Ends it: gently, and after 4 s not so. */
  stop(): Promise<void>;
}

export interface ApiProcessOptions {
  readonly environment: Variables;
  readonly url: string;
  readonly logFile: string;
  readonly say: (line: string) => void;
  /** Told when the process ended without `stop`. */
  readonly onDeath: (reason: string) => void;
}

/** Starts the API as a process of its own. It ends with this one, also when this one is killed. */
export function startApi({ environment, url, logFile, say, onDeath }: ApiProcessOptions): ApiProcess {
  const child = spawn(process.execPath, ["--import", followParent, server], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    // A group of its own: Ctrl-C in the terminal reaches our process alone, which then stops the API in order.
    detached: true,
  });
  const log = createApiLog(logFile, say);
  // With `pipe` at their places both streams exist.
  if (child.stdout !== null) log.follow(child.stdout);
  if (child.stderr !== null) log.follow(child.stderr);
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  let isWanted = true;
  const ended = new Promise<void>((resolve) => {
    child.once("close", (code, signal) => {
      process.off("exit", kill);
      resolve();
      const how = signal === null ? `exit code ${code}` : signal;
      if (isWanted) onDeath(`The API ended by itself (${how}). Its last line: ${log.lastLine() ?? "none"}`);
      isWanted = false;
    });
  });
  return {
    ready: async () => {
      let said = "";
      const startedAt = performance.now();
      for (;;) {
        const missing = await whatIsMissing(url);
        if (missing === undefined) return;
        if (!isWanted) throw new Error("The API ended before it was ready.");
        if (missing !== said && performance.now() - startedAt > quietMs) {
          say(`The API is not ready yet: ${missing}`);
          said = missing;
        }
        await sleep(50);
      }
    },
    stop: async () => {
      isWanted = false;
      child.kill("SIGTERM");
      const timer = setTimeout(kill, stopTimeoutMs);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** @returns undefined when the API is ready */
async function whatIsMissing(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(probeTimeoutMs) });
    const text = await response.text();
    return response.ok ? undefined : sentencesOf(text);
  } catch {
    return "it does not answer";
  }
}

/** The problems that the response of /readyz lists. */
function sentencesOf(text: string): string {
  const parsed: unknown = JSON.parse(text);
  const checks = typeof parsed === "object" && parsed !== null && "checks" in parsed ? parsed.checks : {};
  const wrong = Object.values(checks ?? {}).filter((check) => typeof check === "string" && check !== "ok");
  return printable(wrong.join(" "));
}
