import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { DatabaseUrls } from "@repo/db";
import type { InfisicalEmulator } from "@repo/infisical/emulator";

export interface ServerProcess {
  /** Standard output and standard error so far. */
  output(): string;
  /** Resolves with the first match in the output. @throws {Error} when the process ends before */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  url(): Promise<string>;
  /** For a process with METRICS_PORT. */
  metricsUrl(): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

/** The environment of a process with this database and this Infisical. */
export function variablesOf(
  urls: DatabaseUrls,
  { siteUrl, clientId, clientSecret, projectId }: InfisicalEmulator,
): Record<string, string> {
  return {
    DATABASE_URL: urls.application,
    DATABASE_MAINTENANCE_URL: urls.maintenance,
    DATABASE_LISTENER_URL: urls.listener,
    INFISICAL_SITE_URL: siteUrl,
    INFISICAL_CLIENT_ID: clientId,
    INFISICAL_CLIENT_SECRET: clientSecret,
    INFISICAL_PROJECT_ID: projectId,
    INFISICAL_ENVIRONMENT: "dev",
  };
}

/** Node caches compiled code here, which makes later starts faster. In the checkout, because Node executes it. */
const compiled = fileURLToPath(new URL("../../node_modules/.cache/compiled", import.meta.url));

/** The sources of this API. */
const ownSources = fileURLToPath(new URL("..", import.meta.url));

/**
 * Starts the server or the worker as it is deployed, with these variables and those of the compile cache alone. The caller
 * ends it.
 *
 * @param sources the folder of the program; that of this checkout unless given
 */
export function startServer(
  variables: Readonly<Record<string, string>>,
  program: "server" | "worker" = "server",
  sources: string = ownSources,
): ServerProcess {
  const file = path.join(sources, `${program}.ts`);
  const child = spawn(process.execPath, [file], {
    env: { PORT: "0", DRAIN_SECONDS: "0", NODE_COMPILE_CACHE: compiled, ...variables },
    stdio: "pipe",
  });
  let output = "";
  const watching = new Set<() => void>();
  const changed = () => watching.forEach((look) => look());
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      changed();
    });
  }
  let isOver = false;
  const ended = once(child, "close").then(() => {
    isOver = true;
    changed();
    return child.exitCode ?? child.signalCode;
  });
  const says = (pattern: RegExp): Promise<RegExpExecArray> => {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const look = () => {
      const match = pattern.exec(output);
      if (match === null && !isOver) return;
      watching.delete(look);
      if (match === null)
        reject(new Error(`The server ended without printing ${String(pattern)}:\n${output}`));
      else resolve(match);
    };
    watching.add(look);
    look();
    return promise;
  };
  return {
    output: () => output,
    says,
    url: async () => String((await says(/"url":"(http[^"]+)"/))[1]),
    metricsUrl: async () => String((await says(/"url":"(http[^"]+)\/metrics"/))[1]),
    kill: (signal) => void child.kill(signal),
    ended,
  };
}
