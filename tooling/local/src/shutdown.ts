/** The resources to stop with this process, in reverse order of their start. */
export interface Shutdown {
  /** True as soon as the shutdown was requested. */
  readonly begun: boolean;
  /** Registers a resource, which is stopped before all that were registered earlier. */
  onStop(stop: () => Promise<void>): void;
  /** Stops everything, says so, and exits. Later calls change nothing. */
  begin(exitCode: number, reason: string): void;
}

// npm passes Ctrl-C on to a process that the terminal has sent it to already: one keystroke arrives twice.
const sameKeystrokeMs = 1_000;

/** Ends this process in order at Ctrl-C, SIGTERM, SIGHUP and when asked to; a second Ctrl-C ends it on the spot. */
export function createShutdown(say: (line: string) => void): Shutdown {
  const stops: (() => Promise<void>)[] = [];
  let begunAt: number | undefined;

  const stopAll = async (exitCode: number): Promise<void> => {
    let code = exitCode;
    for (const stop of stops.toReversed()) {
      try {
        await stop();
      } catch (error) {
        say(error instanceof Error ? error.message : "Something did not stop.");
        code = 1;
      }
    }
    say("Everything has stopped.");
    process.exit(code);
  };
  const begin = (exitCode: number, reason: string): void => {
    if (begunAt !== undefined) return;
    begunAt = performance.now();
    say(reason);
    void stopAll(exitCode);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      // Each child process that still runs is killed by its own `exit` listener.
      if (begunAt !== undefined && performance.now() - begunAt > sameKeystrokeMs) process.exit(1);
      begin(0, "Stopping. (Ctrl-C again to kill.)");
    });
  }
  return {
    get begun() {
      return begunAt !== undefined;
    },
    onStop: (stop) => void stops.push(stop),
    begin,
  };
}

const lookEveryMs = 250;

/**
 * Ends this process in order when its parent is gone. For a start by npm, which puts a shell between itself and us: who
 * ends npm ends that shell, and the shell passes nothing on.
 */
export function endWithParent(shutdown: Shutdown): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) shutdown.begin(0, "npm was ended. Stopping.");
  }, lookEveryMs).unref();
}
