import { z } from "zod";
import { operation, type OutputOf } from "./operation.ts";

const count = z.int();

/** The state of the system, for operators. Each part is told, or left out, by itself. */
export const systemOperations = {
  /**
   * What works now. It leaves no event, because an open page asks for it every few seconds. A part that the database would have
   * to tell is left out where it does not.
   */
  health: operation({
    kind: "query",
    verb: "operators",
    input: z.void(),
    output: z.object({
      /** As `/readyz`: `unavailable` without the database, `degraded` without Infisical or notifications. */
      status: z.enum(["ready", "degraded", "unavailable"]),
      /** `silent`: no answer within two seconds. `refuses`: an answer that a second try would not change. */
      database: z.enum(["ok", "unavailable", "refuses", "silent"]),
      masterKey: z.enum(["ok", "missing", "malformed", "wrong", "unavailable", "silent"]),
      /** `troubled`: it answers, and recent calls had a problem that the log names. */
      infisical: z.enum(["ok", "unavailable", "denied", "troubled", "silent"]),
      /** The circuit breaker of the process that answers: `open` refuses calls of Infisical at once. */
      breaker: z.enum(["closed", "open", "half-open"]),
      /** Whether changes of other processes are heard. `off`: this process caches nothing. */
      notifications: z.enum(["ok", "lost", "off"]),
      /** Of the process that answers, since its start. */
      cache: z.object({
        hits: count,
        negativeHits: count,
        staleHits: count,
        misses: count,
        evictions: count,
        entries: count,
        bytes: count,
      }),
      /** API processes and workers that held keys within the last 15 seconds. */
      processes: z
        .array(z.object({ id: z.uuid(), startedAt: z.date(), seenAt: z.date() }))
        .readonly()
        .optional(),
      jobs: z
        .object({
          /** Processes that take jobs. */
          workers: count,
          tasks: z
            .array(
              z.object({
                task: z.string(),
                waiting: count,
                running: count,
                /** Failed, and run again. */
                retrying: count,
                /** Failed for the last time. */
                dead: count,
                overdueSeconds: count,
              }),
            )
            .readonly(),
        })
        .optional(),
      audit: z
        .object({
          sealed: z.object({ batch: count, at: z.date() }).optional(),
          /** At most 10,000 are counted. */
          unsealed: count,
          /** For how long the oldest event that no batch has has waited, in seconds; 0 where none waits. */
          lagSeconds: count,
          verification: z
            .object({
              finishedAt: z.date(),
              batch: count,
              outcome: z.enum(["sound", "changed"]),
              findings: count,
            })
            .optional(),
          /** The last failover or restore to a point in time, until an operator acknowledges it. `at`: when it was first sealed after it. */
          failover: z.object({ afterBatch: count, at: z.date() }).optional(),
          /** Those whose reason holds now; docs/audit-log.md says what to do. */
          alarms: z
            .array(
              z.enum([
                "AUDIT_LAGS",
                "AUDIT_NOT_SEALED",
                "AUDIT_RESTORED",
                "AUDIT_FAILED_OVER",
                "AUDIT_CHANGED",
              ]),
            )
            .readonly(),
        })
        .optional(),
    }),
  }),
};

export type SystemHealth = Readonly<OutputOf<(typeof systemOperations)["health"]>>;
