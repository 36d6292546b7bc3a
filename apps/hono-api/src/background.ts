import { setTimeout as sleep } from "node:timers/promises";
import { startJobs, type Jobs } from "@repo/db/jobs";
import { asTenantSecretsError, createTasks, schedule, type Services } from "@repo/tenant-secrets";
import type { RunningSealer } from "@repo/audit-log";
import type { Runtime } from "./bootstrap.ts";

// What a process does besides serving requests. All of it begins once the start is complete, when the keys are loaded.

/** Jobs at a time. More than by default, because steps of rotations wait for providers. */
export const jobsAtOnce = 4;

export function startProductJobs({ env, database, secrets, log, metrics }: Runtime): Promise<Jobs> {
  return startJobs({
    maintenanceUrl: env.DATABASE_MAINTENANCE_URL,
    concurrency: jobsAtOnce,
    tasks: createTasks({ database, secrets: secrets.admin, log, onAuditAlarm: metrics.countAuditAlarm }),
    cron: schedule,
    log,
    onRun: metrics.jobRun,
  });
}

/** Tells other regions each second that this one is there. */
export function startBeating({
  log,
  secrets,
}: Pick<Runtime, "log" | "secrets">): ReturnType<Services["startBeats"]> {
  return secrets.admin.startBeats(({ code, message, diagnosis }) =>
    log("warn", `other regions hear nothing of this one: ${message}`, { code, diagnosis }),
  );
}

/** Sends notifications to webhook endpoints. */
export function startNotifying({
  log,
  secrets,
  metrics,
}: Pick<Runtime, "log" | "secrets" | "metrics">): ReturnType<Services["startDeliveries"]> {
  const running = secrets.admin.startDeliveries(
    ({ code, message, diagnosis }) => log("warn", `notifications wait: ${message}`, { code, diagnosis }),
    ({ message }) => log("warn", message, { code: "CLOCK_OFF" }),
  );
  metrics.collectDeliveries(() => running.measure());
  return running;
}

/** Seals the audit log. The log lines of a batch are its checkpoint: archive them outside the database. */
export function startSealing({
  log,
  secrets,
  metrics,
}: Pick<Runtime, "log" | "secrets" | "metrics">): RunningSealer {
  const running = secrets.admin
    .createSealer({
      onSealed: ({ batch, events, checkpoint, timeline }) => {
        metrics.sealed();
        log("info", "checkpoint signed", { batch, events, checkpoint, timeline });
      },
      onAlarm: ({ code, message, diagnosis }) => {
        metrics.countAuditAlarm(code);
        log("error", message, { code, diagnosis });
      },
    })
    .run();
  return {
    stop: async () => {
      // Seals the last events of this process too. Where the flush fails, the shutdown of `secrets` tries again.
      await secrets.admin.flush().catch(() => {});
      await running.stop();
    },
  };
}

/** Between trials of the permissions in Infisical while one is missing, so that the log says when it was granted. */
const permissionTrialMs = 60_000;

/**
 * Tries once whether Infisical grants this service the permissions that it needs, and again each minute while one is
 * missing. The client of Infisical logs which.
 *
 * @returns when the process stops
 */
export async function watchInfisicalPermissions({
  secrets,
  infisical,
  log,
  stopping,
}: Pick<Runtime, "secrets" | "infisical" | "log" | "stopping">): Promise<void> {
  let isTried = false;
  while (!stopping.aborted) {
    if (!isTried || infisical.troubles().length > 0) {
      try {
        const missing = await secrets.admin.tryInfisicalRights();
        if (!isTried && missing.length === 0) log("info", "Infisical lets this service do what it needs");
        isTried = true;
      } catch (error) {
        log("debug", "the trial of the permissions in Infisical failed", {
          code: asTenantSecretsError(error).code,
        });
      }
    }
    await sleep(permissionTrialMs, undefined, { signal: stopping }).catch(() => {});
  }
}
