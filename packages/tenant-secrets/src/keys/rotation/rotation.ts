import { randomUUID } from "node:crypto";
import { and, desc, eq } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import { type AuditKey, type AuditLog, onDatabase } from "@repo/audit-log";
import { type Caller, forbidden, notFound, TenantSecretsError } from "@repo/catalog";
import { perform, refuse } from "../../access/attempt.ts";
import { permitsOnPlatform } from "../../access/permissions.ts";
import type { MasterKeys } from "../master/master-keys.ts";
import { countSealed, type RotationReport } from "./report.ts";
import { createRotationPhases, type RotationOptions } from "./phases.ts";
import { beingDriven, findUnfinished, insertRotation, takeLease, type RotationRow } from "./rotation-row.ts";

const { keyRotations, masterKeys: registry } = tables;

export interface KeyRotation {
  /**
   * Rotates the master key of this region, or goes on with a rotation that was interrupted, up to its report. Each step
   * can be repeated, so that it may be stopped anywhere.
   *
   * @throws {TenantSecretsError} FORBIDDEN; CONFLICT where another process drives one, or a process does not load the new
   *   key in time; INTEGRITY_FAILURE where too much does not open; what Infisical and the database cause
   */
  rotate(caller: Caller, options: RotationOptions): Promise<RotationReport>;
  /**
   * Begins a rotation, or takes up one that was interrupted, and leaves it to `resume`.
   *
   * @param also what commits together with that
   * @throws {TenantSecretsError} FORBIDDEN; CONFLICT where a process drives one
   */
  begin(caller: Caller, also: AlsoCommitted): Promise<RotationRow>;
  /**
   * Goes on with a rotation as the operator who began it, up to its report; with one that is finished, there is nothing to do.
   *
   * @throws {TenantSecretsError} NOT_FOUND where this region has no such rotation; else as `rotate`
   */
  resume(id: string, options: RotationOptions): Promise<RotationReport>;
}

type AlsoCommitted = (statements: Statements, rotation: RotationRow) => Promise<void>;

export function createKeyRotation(
  database: Database,
  infisical: InfisicalClient,
  masterKeys: MasterKeys,
  audit: AuditLog,
  loadAuditKey: () => Promise<AuditKey>,
): KeyRotation {
  const { region } = masterKeys;

  const phases = createRotationPhases(database, infisical, masterKeys, audit, loadAuditKey);

  const find = (id: string): Promise<RotationRow> =>
    onDatabase(() =>
      database.acrossCompanies(async (statements) => {
        const [row] = await statements
          .select()
          .from(keyRotations)
          .where(and(eq(keyRotations.id, id), eq(keyRotations.region, region)));
        if (row === undefined) throw notFound();
        return row;
      }),
    );

  const begin = async (caller: Caller, also: AlsoCommitted): Promise<RotationRow> => {
    await masterKeys.refresh();
    const before = await countSealed(database);
    await audit.ready();
    return onDatabase(() =>
      database.acrossCompanies(async (statements) => {
        const [newest] = await statements
          .select()
          .from(registry)
          .where(eq(registry.region, region))
          .orderBy(desc(registry.version))
          .limit(1);
        const { active } = await masterKeys.load();
        const row = await insertRotation(statements, {
          region,
          fromVersion: active.version,
          toVersion: (newest?.version ?? active.version) + 1,
          before: { sealed: before },
          startedByKind: caller.actor.kind,
          startedById: caller.actor.id,
        });
        await audit.addTo(statements, caller, {
          action: "key.rotate",
          outcome: "allowed",
          version: row.toVersion,
        });
        await also(statements, row);
        return row;
      }),
    );
  };

  const drive = async (id: string, caller: Caller, options: RotationOptions): Promise<RotationReport> => {
    const lease = await takeLease(database, id, randomUUID());
    const say = async (phase: RotationRow["phase"], done: string): Promise<void> => {
      await options.onStep?.([phase, done]);
    };
    try {
      let row = await find(id);
      await masterKeys.refresh();
      while (row.phase !== "done") {
        const { phase } = row;
        await say(phase, "begins");
        await phases[phase]({ ...options, row, lease, caller, say });
        await say(phase, "is done");
        row = await find(id);
      }
      return reportOf(row);
    } finally {
      await lease.release();
    }
  };

  const asOperator = <T>(caller: Caller, work: () => Promise<T>): Promise<T> => {
    const attempt = { caller, action: "key.rotate", changes: true } as const;
    if (!permitsOnPlatform(caller.actor, "rotate")) return refuse(audit, attempt, forbidden("rotate keys"));
    return perform(audit, attempt, work);
  };

  return {
    rotate: (caller, options) =>
      asOperator(caller, async () => {
        const unfinished = await findUnfinished(database, region);
        const row = unfinished?.row ?? (await begin(caller, async () => {}));
        return drive(row.id, caller, options);
      }),

    begin: (caller, also) =>
      asOperator(caller, async () => {
        const unfinished = await findUnfinished(database, region);
        if (unfinished === undefined) return begin(caller, also);
        if (unfinished.driven) throw beingDriven();
        const { row } = unfinished;
        await audit.ready();
        await onDatabase(() =>
          database.acrossCompanies(async (statements) => {
            await audit.addTo(statements, caller, {
              action: "key.rotate",
              outcome: "allowed",
              version: row.toVersion,
            });
            await also(statements, row);
          }),
        );
        return row;
      }),

    resume: async (id, options) => {
      const row = await find(id);
      if (row.phase === "done") return reportOf(row);
      // Only an operator begins one, and its row can be written by nobody else.
      const caller: Caller = { actor: { kind: "operator", id: row.startedById } };
      return asOperator(caller, () => drive(id, caller, options));
    },
  };
}

/** For `onStep` to throw: stops a rotation where it is. */
export function rotationInterrupted(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "The rotation was stopped between two steps. What was done stays; rotate again, which goes on from here.",
  );
}

function reportOf({ report, reportMac }: RotationRow): RotationReport {
  return { report: report ?? "", mac: reportMac ?? "" };
}
