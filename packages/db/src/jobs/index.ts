import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Logger, parseCronItem, run, type Runner, type WorkerEvents, type WorkerPool } from "graphile-worker";
import type { Pool } from "pg";
import { releaseJobsOfTheDead, showAlive } from "./liveness.ts";
import { createPool } from "./pool.ts";
import { jobSchema } from "./schema.ts";
import { diagnosisOf, guarded, type JobLog, type JobRun, type Tasks } from "./task.ts";

export type { JobLog, JobRun, Task, TaskHelpers, Tasks } from "./task.ts";

/** When a task runs by itself: the five fields of a crontab line, in UTC. */
export type Schedule = Readonly<Record<string, string>>;

export interface JobsOptions {
  /** Of the maintenance role. */
  readonly maintenanceUrl: string;
  readonly tasks: Tasks;
  readonly cron: Schedule;
  readonly log: JobLog;
  readonly onRun?: (run: JobRun) => void;
  /** Jobs at the same time. Default 2. */
  readonly concurrency?: number;
  /** How long `stop` waits for jobs that run; they are told after half of it. In milliseconds. Default 8000. */
  readonly drainMs?: number;
  /** How often it is looked for workers that were killed, in milliseconds. Default 30,000. */
  readonly lookForDeadMs?: number;
}

export interface Jobs {
  /** Whether this process asks for jobs, and was answered the last time. */
  isRunning(): boolean;
  /** Takes no more jobs, waits for those that run, and releases those that take too long. */
  stop(): Promise<void>;
}

const firstDelayMs = 500;
const longestDelayMs = 30_000;
const dayMs = 86_400_000;
/** Failures of the runner after which it is replaced: it keeps polling after errors that it cannot recover from. */
const failuresToReplace = 10;

/**
 * Runs jobs until it is stopped. Where the database is lost, it tries again until it is back.
 *
 * @returns after the first try, whatever became of it
 */
export async function startJobs(options: JobsOptions): Promise<Jobs> {
  const stopping = new AbortController();
  const { promise: tried, resolve } = Promise.withResolvers<void>();
  const state: RunnerState = { isAnswered: false };
  const running = keepRunning({ ...options, state }, stopping.signal, resolve);
  await tried;
  return {
    isRunning: () => state.isAnswered && !stopping.signal.aborted,
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

/** Of the runner, which is replaced when it fails for long. */
interface RunnerState {
  isAnswered: boolean;
}

interface RunnerOptions extends JobsOptions {
  readonly state: RunnerState;
}

async function keepRunning(options: RunnerOptions, stopping: AbortSignal, tried: () => void): Promise<void> {
  let delayMs = firstDelayMs;
  while (!stopping.aborted) {
    try {
      await runUntilItEnds(options, stopping, () => {
        delayMs = firstDelayMs;
        tried();
      });
    } catch (error) {
      options.log("warn", "jobs do not run at the moment, and are started again", {
        diagnosis: diagnosisOf(error),
      });
    }
    tried();
    // Processes that lost the same server do not come back to it in step.
    await sleep(delayMs * (0.5 + Math.random() / 2), undefined, { signal: stopping }).catch(() => {});
    delayMs = Math.min(2 * delayMs, longestDelayMs);
  }
}

async function runUntilItEnds(
  options: RunnerOptions,
  stopping: AbortSignal,
  started: () => void,
): Promise<void> {
  const { log, state, concurrency = 2, drainMs = 8000 } = options;
  const report = (error: unknown) =>
    log("warn", "jobs: the runner met an error and continues", { diagnosis: diagnosisOf(error) });
  // One connection listens, and one is for what happens at intervals.
  const pool = await createPool(options.maintenanceUrl, concurrency + 2, report);
  const events: WorkerEvents = new EventEmitter();
  showAlive(events);
  const broken = onLastingFailure(events, state);
  const workers: WorkerPool[] = [];
  events.on("pool:create", ({ workerPool }) => workers.push(workerPool));
  let looking: NodeJS.Timeout | undefined;
  try {
    await pool.query("insert into job_tasks select unnest($1::text[]) on conflict do nothing", [
      Object.keys(options.tasks),
    ]);
    const runner = await run(
      {
        pgPool: pool,
        schema: jobSchema,
        concurrency,
        events,
        logger: createLogger(report),
        noHandleSignals: true,
        gracefulShutdownAbortTimeout: drainMs / 2,
        // Without a delay the runner leaves a promise alone whose rejection would end the process.
        preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
      },
      Object.fromEntries(
        Object.entries(options.tasks).map(([name, task]) => [name, guarded(name, task, options)]),
      ),
      Object.entries(options.cron).map(([name, pattern]) =>
        parseCronItem({
          task: name,
          match: pattern,
          // Runs that were due while no process ran jobs are caught up on once.
          options: { backfillPeriod: dayMs, jobKey: `${name}:cron`, jobKeyMode: "replace" },
        }),
      ),
    );
    const ended = runner.promise.catch((error: unknown) => {
      if (!stopping.aborted) report(error);
    });
    state.isAnswered = true;
    started();
    looking = lookForDead(pool, options, report);
    await Promise.race([ended, broken, aborted(stopping)]);
    await stopRunner(runner, workers, { drainMs, report });
  } finally {
    state.isAnswered = false;
    clearInterval(looking);
    // A connection that is half open would be waited for.
    await Promise.race([pool.end(), sleep(5000, undefined, { ref: false })]);
  }
}

async function stopRunner(
  runner: Runner,
  workers: readonly WorkerPool[],
  { drainMs, report }: { readonly drainMs: number; readonly report: (error: unknown) => void },
): Promise<void> {
  const waiting = new AbortController();
  const stopped = runner.stop().then(
    () => true,
    () => true,
  );
  const late = sleep(drainMs, false, { signal: waiting.signal }).catch(() => false);
  if (!(await Promise.race([stopped, late]))) {
    // The runner's own `kill` does nothing once it is stopping.
    for (const worker of workers) {
      await Promise.resolve(worker.forcefulShutdown("The process stopped.")).catch(report);
    }
  }
  waiting.abort();
}

function lookForDead(
  pool: Pool,
  { log, lookForDeadMs = 30_000 }: JobsOptions,
  report: (error: unknown) => void,
): NodeJS.Timeout {
  let suspects: ReadonlySet<string> = new Set();
  const look = async (): Promise<void> => {
    const { gone, released } = await releaseJobsOfTheDead(pool, suspects);
    suspects = gone;
    if (released > 0) log("warn", `jobs: ${released} workers are gone, and their jobs run again`);
  };
  return setInterval(() => void look().catch(report), lookForDeadMs);
}

/** Keeps the state up to date. Resolves once the runner has failed to ask for jobs too often in a row. */
function onLastingFailure(events: WorkerEvents, state: RunnerState): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let failures = 0;
  const answered = (): void => {
    failures = 0;
    state.isAnswered = true;
  };
  events.on("worker:getJob:empty", answered);
  events.on("job:start", answered);
  events.on("worker:getJob:error", () => {
    failures += 1;
    state.isAnswered = false;
    if (failures >= failuresToReplace) resolve();
  });
  return promise;
}

/** The runner's own lines quote errors and payloads: of each there is left that something is wrong, and its class. */
function createLogger(report: (error: unknown) => void): Logger {
  return new Logger(() => (level, _, meta) => {
    // A task that failed has its line already.
    if ((level === "error" || level === "warning") && meta["failure"] !== true) {
      report(meta["error"] ?? meta["fatalError"]);
    }
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
