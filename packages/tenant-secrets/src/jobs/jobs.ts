import { sql, type SQL } from "drizzle-orm";
import type { Database } from "@repo/db";
import type { JobLog, Schedule, Task, TaskHelpers, Tasks } from "@repo/db/jobs";
import { MailError } from "@repo/mail";
import { z } from "zod";
import { asTenantSecretsError, type SealerAlarm } from "@repo/audit-log";
import { TenantSecretsError } from "@repo/catalog";
import { forgottenBefore } from "../access/request-ids.ts";
import type { AuditService } from "../audit/audit-service.ts";
import { verificationTask } from "../audit/verifications.ts";
import { mailTask, type Mailing } from "../companies/mailing.ts";
import { dueAfterDays, type MasterKeyAge } from "../keys/master/master-key-age.ts";
import { mirrorTask } from "../migration/mirror/lease.ts";
import type { Mirroring } from "../migration/mirror/mirroring.ts";
import type { Adoption } from "../regions/adoption.ts";
import type { Moves } from "../regions/moves/moves.ts";
import type { RunControl } from "../runs/run-control.ts";
import type { OutsideSettlement } from "../stores/infisical/outside-settlement.ts";
import type { SecretMaintenance } from "./maintenance.ts";
import type { RetentionJobs } from "./retention-jobs.ts";
import type { Vault } from "../vault/vault.ts";

export interface TaskDependencies {
  readonly database: Database;
  readonly secrets: {
    readonly runs: RunControl;
    readonly maintenance: SecretMaintenance;
    readonly masterKeyAge: MasterKeyAge;
    readonly outsideSettlement: OutsideSettlement;
    readonly mirroring: Pick<Mirroring, "mirror" | "sweep">;
    readonly vault: Pick<Vault, "enqueueDue" | "checkDue">;
    readonly retention: RetentionJobs;
    readonly audit: Pick<AuditService, "verifyInBackground">;
    readonly moves: Pick<Moves, "takeOverOffered">;
    readonly rotation: { startDue(signal: AbortSignal): Promise<unknown> };
    readonly adoption: Pick<Adoption, "sweep">;
    readonly mailing: Pick<Mailing, "deliver"> | undefined;
  };
  readonly log: JobLog;
  /** Counts an alarm of the audit log, which is in the log as well. */
  readonly onAuditAlarm?: ((code: SealerAlarm["code"]) => void) | undefined;
}

/** The schedule of recurring tasks, in UTC. */
export const schedule: Schedule = {
  "forget-write-requests": "7 * * * *",
  "forget-processes": "37 * * * *",
  "forget-rate-limits": "52 * * * *",
  "forget-deliveries": "12 * * * *",
  "check-credentials": "29 * * * *",
  "check-master-key-age": "17 6 * * *",
  "destroy-old-versions": "23 * * * *",
  "purge-removed-secrets": "47 * * * *",
  "prune-audit-events": "13 4 * * *",
  "prune-runs": "43 * * * *",
  [verificationTask]: "31 2 * * *",
  "settle-outside-writes": "* * * * *",
  "remind-of-expiry": "*/5 * * * *",
  "sweep-mirrors": "*/5 * * * *",
  "rotate-due": "* * * * *",
  "adopt-companies": "* * * * *",
  "take-over": "* * * * *",
};

/** The implementation of each job. A task has an entry here and, if it recurs, one in the schedule. */
export function createTasks({ database, secrets, log, onAuditAlarm }: TaskDependencies): Tasks {
  const { runs, maintenance, masterKeyAge, outsideSettlement, mirroring, vault, retention, audit } = secrets;
  const { adoption, mailing, moves, rotation } = secrets;
  /** The job log contains an error's code; its message tells the operator what to do. */
  const saying = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (thrown) {
      const { code, message } = asTenantSecretsError(thrown);
      if (code !== "INTERNAL") log("warn", message, { code });
      throw thrown;
    }
  };
  return {
    // A process that lacks the means for a kind of run, such as a backup destination, leaves it to others.
    ...Object.fromEntries(
      Object.entries(runs.work).map(([kind, work]) => [
        kind,
        task(RunPayload, ({ run }, { signal }) => saying(() => work(run, signal))),
      ]),
    ),

    // A process without a mail server leaves it to others.
    ...(mailing && {
      [mailTask]: task(MailPayload, async ({ encrypted, id }) => {
        try {
          await mailing.deliver(encrypted, id);
        } catch (thrown) {
          if (thrown instanceof MailError) log("warn", thrown.message, { code: "MAIL_NOT_ACCEPTED" });
          throw thrown;
        }
      }),
    }),

    /** Request ids are stored for a day. A writer deletes some of its own company's; this task deletes the rest. */
    "forget-write-requests": task(NoPayload, async (_, { signal }) => {
      const condition = sql`created_at <= ${forgottenBefore}`;
      for (const [table, key] of [
        [sql`write_requests`, sql`company_id, actor_kind, actor_id, request_id`],
        [sql`management_requests`, sql`actor_kind, actor_id, request_id`],
      ] as const) {
        await deleteInBatches(database, signal, { table, key, condition });
      }
    }),
    /** A process deletes its row when it stops; a killed process leaves it. */
    "forget-processes": task(NoPayload, (_, { signal }) =>
      deleteInBatches(database, signal, {
        table: sql`processes`,
        key: sql`id`,
        condition: sql`seen_at <= now() - interval '1 day'`,
      }),
    ),
    "forget-deliveries": task(NoPayload, (_, { signal }) => retention.forgetDeliveries(signal)),
    "forget-rate-limits": task(NoPayload, (_, { signal }) =>
      deleteInBatches(database, signal, {
        table: sql`rate_limits`,
        key: sql`key`,
        condition: sql`expires_at <= now()`,
      }),
    ),
    "prune-audit-events": task(NoPayload, async (_, { signal }) => {
      await retention.pruneAuditEvents(signal);
    }),
    "prune-runs": task(NoPayload, async (_, { signal }) => {
      await retention.pruneRuns(signal);
    }),
    [verificationTask]: task(NoPayload, async (_, { signal }) => {
      const findings = await audit.verifyInBackground(signal);
      if (findings === 0) return;
      onAuditAlarm?.("AUDIT_CHANGED");
      log(
        "error",
        `the verification of the audit log has ${findings} findings: keep this log, and run "audit verify" with its checkpoints, which names them`,
        { code: "AUDIT_CHANGED" },
      );
    }),
    "check-master-key-age": task(NoPayload, async () => {
      for (const { region, version } of await masterKeyAge.remind()) {
        log(
          "warn",
          `version ${version} of the master key of region ${region} has been active for more than ${dueAfterDays} days: rotate it`,
          { code: "MASTER_KEY_DUE" },
        );
      }
    }),
    "check-credentials": task(NoPayload, async () => {
      await vault.enqueueDue();
    }),
    "check-credential": task(CheckPayload, ({ company, secretKey }, { signal }) =>
      vault.checkDue(company, secretKey, signal),
    ),
    "destroy-old-versions": task(NoPayload, async (_, { signal }) => {
      await maintenance.destroyOldVersions(signal);
    }),
    "settle-outside-writes": task(NoPayload, async (_, { signal }) => {
      const { givenUp } = await outsideSettlement.settle(signal);
      if (givenUp === 0) return;
      log(
        "error",
        `it will never be known what became of ${givenUp} changes in Infisical, which could not be asked for a day: look at the events of secret.write and secret.remove with outcome unknown, and at the secrets`,
        { code: "OUTSIDE_WRITES_UNKNOWN" },
      );
    }),
    [mirrorTask]: task(MirrorPayload, async ({ company }, { signal }) => {
      const failure = await mirroring.mirror(company, signal);
      if (failure === undefined) return;
      log(
        "warn",
        `the mirror of company ${company} in Infisical cannot go on, and tries again: ${failure.message}`,
        {
          code: failure.code,
        },
      );
    }),
    "sweep-mirrors": task(NoPayload, async () => {
      await mirroring.sweep();
    }),
    "rotate-due": task(NoPayload, async (_, { signal }) => {
      await rotation.startDue(signal);
    }),
    "adopt-companies": task(NoPayload, async (_, { signal }) => {
      await adoption.sweep(signal);
    }),
    "take-over": task(NoPayload, (_, { signal }) =>
      saying(async () => {
        await moves.takeOverOffered(signal);
      }),
    ),
    "purge-removed-secrets": task(NoPayload, async (_, { signal }) => {
      await maintenance.purgeRemovedSecrets(signal);
    }),
    "remind-of-expiry": task(NoPayload, async (_, { signal }) => {
      await maintenance.remindOfExpiry(signal);
    }),
  };
}

const NoPayload = z.strictObject({});
const CheckPayload = z.strictObject({ company: z.string(), secretKey: z.string() });
const MirrorPayload = z.strictObject({ company: z.uuid() });
const MailPayload = z.strictObject({ encrypted: z.string(), id: z.uuid() });
const RunPayload = z.strictObject({ run: z.uuid() });

function task<Payload>(
  schema: z.ZodType<Payload>,
  run: (payload: Payload, helpers: TaskHelpers) => Promise<void>,
): Task {
  return async (payload, helpers) => {
    const parsed = schema.safeParse(payload);
    if (!parsed.success) {
      throw new TenantSecretsError("INVALID_INPUT", "The payload of this job is not one of its task.");
    }
    await run(parsed.data, helpers);
  };
}

/**
 * Rows that remain when the process stops are deleted by the next job. A row renewed meanwhile stays. Rows are named by their key:
 * a ctid names a row of each partition, where a table has partitions.
 */
async function deleteInBatches(
  database: Database,
  signal: AbortSignal,
  { table, key, condition }: { readonly table: SQL; readonly key: SQL; readonly condition: SQL },
): Promise<void> {
  const size = 5000;
  let deleted = size;
  while (deleted === size && !signal.aborted) {
    deleted = await database.acrossCompanies(async (statements) => {
      const rows = await statements.execute(sql`
        delete from ${table} where ${condition}
          and (${key}) in (select ${key} from ${table} where ${condition} limit ${size})
        returning 1`);
      return rows.length;
    });
  }
}
