import type { Task as RunnerTask } from "graphile-worker";

export interface TaskHelpers {
  /** Aborts when the process stops and will not wait much longer. */
  readonly signal: AbortSignal;
}

/** Does one job. It runs at least once, so it has to bear running twice, and at the same time as another one. */
export type Task = (payload: unknown, helpers: TaskHelpers) => Promise<void>;

/** By name. A job whose task has no entry waits for a process that has one. */
export type Tasks = Readonly<Record<string, Task>>;

export type JobLog = (
  level: "info" | "warn" | "error",
  sentence: string,
  fields?: {
    readonly code?: string | undefined;
    readonly diagnosis?: string | undefined;
    readonly durationMs?: number | undefined;
  },
) => void;

/** The outcome of one run of a job, for metrics. */
export interface JobRun {
  readonly task: string;
  readonly outcome: "done" | "failed";
  readonly durationMs: number;
}

/** What the runner gets to see of a task's error. It logs messages, and keeps them in its table. */
class TaskFailed extends Error {
  override readonly name = "TaskFailed";
}

/** A task as the runner calls it: errors leave it without their text, and each run has its line in the log. */
export function guarded(
  name: string,
  task: Task,
  { log, onRun }: { readonly log: JobLog; readonly onRun?: (run: JobRun) => void },
): RunnerTask {
  return async (payload, { abortSignal, job }) => {
    const startedAt = performance.now();
    const ended = (outcome: JobRun["outcome"]): number => {
      const durationMs = Math.round(performance.now() - startedAt);
      onRun?.({ task: name, outcome, durationMs });
      return durationMs;
    };
    try {
      await task(withoutSchedule(payload), { signal: abortSignal });
    } catch (thrown) {
      const diagnosis = diagnosisOf(thrown);
      const last = job.attempts >= job.max_attempts;
      log(
        last ? "error" : "warn",
        `job ${name} failed, ${last ? "for the last time" : "and will run again"}`,
        {
          diagnosis,
          durationMs: ended("failed"),
        },
      );
      throw new TaskFailed(diagnosis);
    }
    log("info", `job ${name} done`, { durationMs: ended("done") });
  };
}

/** The class and code of an error, such as "DatabaseError 57P01". Its message may hold a value, and stays behind. */
export function diagnosisOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return typeof thrown;
  const code = "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
  // A code is a name from a list; what looks like anything else is no code.
  return /^[A-Z0-9_]{1,50}$/.test(code) ? `${thrown.constructor.name} ${code}` : thrown.constructor.name;
}

/** The runner adds to a scheduled job what it was scheduled for. */
function withoutSchedule(payload: unknown): unknown {
  if (typeof payload !== "object" || payload === null) return payload;
  return Object.fromEntries(Object.entries(payload).filter(([name]) => name !== "_cron"));
}
