import { and, eq, gte, sql } from "drizzle-orm";
import { z } from "zod";
import { type Statements, tables } from "@repo/db";
import { acknowledgementOf, type Failover, lostCheckpointOf, type LoggedCheckpoint } from "@repo/audit-log";
import { type Caller, TenantSecretsError } from "@repo/catalog";
import { audited } from "../access/operation.ts";
import { createVerifyWith, type VerificationParts } from "./verifications.ts";

const { auditEvents } = tables;

export interface AcknowledgeFailoverOptions {
  readonly checkpoints: readonly LoggedCheckpoint[];
  /** Called with what would be acknowledged. @returns whether it is */
  readonly confirm: (failovers: readonly Failover[]) => Promise<boolean>;
}

/** An operator's word that the audit log lost its end in a failover, and not by another's hand. */
export interface FailoverAcknowledgements {
  /**
   * Verifies the audit log with the archived checkpoints, and adds events that name each failover, the last checkpoint before
   * it, and every archived checkpoint that it lost. From then on a verification reports exactly these as a notice. A failover
   * is one of the signed checkpoints: where the timeline did not change, a missing checkpoint stays a finding.
   *
   * @returns what was acknowledged; nothing where `confirm` says no
   * @throws {TenantSecretsError} FORBIDDEN; CONFLICT where there is nothing to acknowledge, too much of it, or another operator
   *   acknowledged it meanwhile
   */
  acknowledgeFailover(caller: Caller, options: AcknowledgeFailoverOptions): Promise<readonly Failover[]>;
}

/** 10,000: some three hours of one checkpoint a second. Each is an event. */
const maxLost = 10_000;
/** The advisory lock of acknowledging. The number is arbitrary, and used for no other lock of this database. */
const acknowledgingLock = 7_274_014;

export function createFailoverAcknowledgements(parts: VerificationParts): FailoverAcknowledgements {
  const { database, operations } = parts;
  const verifyWith = createVerifyWith(parts);
  return {
    acknowledgeFailover: (caller, { checkpoints, confirm }) =>
      operations.inSteps(
        {
          caller,
          action: "audit.acknowledge-failover",
          verb: "operators",
          to: "acknowledge a failover",
        },
        async (steps) => {
          const since = await database.acrossCompanies(readHorizon);
          const { failovers } = await verifyWith({ checkpoints }, (query) => database.acrossCompanies(query));
          const open = failovers.filter(
            ({ lost, acknowledged }) => acknowledged.length === 0 || lost.length > 0,
          );
          const lost = open.flatMap((failover) => failover.lost);
          if (open.length === 0) throw new TenantSecretsError("CONFLICT", nothing);
          if (lost.length > maxLost)
            throw new TenantSecretsError(
              "CONFLICT",
              `${lost.length} archived checkpoints are not in this database, and at most ${maxLost} are acknowledged: the database is older than the archive. Restore a newer backup.`,
            );
          if (!(await confirm(open))) return [];
          return steps.commit(async ({ statements }) => {
            await statements.execute(sql`select pg_advisory_xact_lock(${acknowledgingLock})`);
            if (await isAcknowledgedSince(statements, since))
              throw new TenantSecretsError("CONFLICT", "Another operator acknowledged it meanwhile.");
            return audited(open, [...open.map(acknowledgementOf), ...lost.map(lostCheckpointOf)]);
          });
        },
      ),
  };
}

const nothing =
  "There is no failover to acknowledge: every change of the timeline is acknowledged, or the audit log was not sealed since. A checkpoint that is missing without one was removed.";

const Horizon = z.tuple([z.object({ horizon: z.string() })]);

/** @returns the first transaction that may commit after what a verification from now on reads */
async function readHorizon(statements: Statements): Promise<string> {
  const rows = await statements.execute(sql`select pg_snapshot_xmin(pg_current_snapshot())::text as horizon`);
  return Horizon.parse([...rows])[0].horizon;
}

async function isAcknowledgedSince(statements: Statements, xid: string): Promise<boolean> {
  const rows = await statements
    .select({ id: auditEvents.id })
    .from(auditEvents)
    .where(
      and(
        gte(auditEvents.xid, xid),
        eq(auditEvents.action, "audit.acknowledge-failover"),
        eq(auditEvents.outcome, "success"),
      ),
    )
    .limit(1);
  return rows.length > 0;
}
