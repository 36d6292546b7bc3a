import { randomUUID } from "node:crypto";
import { and, desc, eq } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import type { AuditKey, AuditLog } from "@repo/audit-log";
import { type Caller, notFound, TenantSecretsError } from "@repo/catalog";
import { audited, type Operations, type Steps } from "../../access/operation.ts";
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

const toRotate = { action: "key.rotate", verb: "rotate", to: "rotate keys" } as const;

interface Dependencies {
  readonly database: Database;
  readonly infisical: InfisicalClient;
  readonly masterKeys: MasterKeys;
  readonly operations: Operations;
  readonly audit: AuditLog;
  readonly loadAuditKey: () => Promise<AuditKey>;
}

export function createKeyRotation(dependencies: Dependencies): KeyRotation {
  const { database, infisical, masterKeys, operations, audit, loadAuditKey } = dependencies;
  const { region } = masterKeys;

  const phases = createRotationPhases(database, infisical, masterKeys, audit, loadAuditKey);

  const find = async (id: string): Promise<RotationRow> => {
    const isNamed = and(eq(keyRotations.id, id), eq(keyRotations.region, region));
    const [row] = await database.acrossCompanies((statements) =>
      statements.select().from(keyRotations).where(isNamed),
    );
    if (row === undefined) throw notFound();
    return row;
  };

  const begin = async ({ actor }: Caller, steps: Steps, also: AlsoCommitted): Promise<RotationRow> => {
    await masterKeys.refresh();
    const before = await countSealed(database);
    const { active } = await masterKeys.load();
    return steps.commit(async ({ statements }) => {
      const [newest] = await statements
        .select()
        .from(registry)
        .where(eq(registry.region, region))
        .orderBy(desc(registry.version))
        .limit(1);
      const row = await insertRotation(statements, {
        region,
        fromVersion: active.version,
        toVersion: (newest?.version ?? active.version) + 1,
        before: { sealed: before },
        startedByKind: actor.kind,
        startedById: actor.id,
      });
      await also(statements, row);
      return audited(row, { version: row.toVersion });
    });
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

  return {
    rotate: (caller, options) =>
      operations.inSteps({ caller, ...toRotate }, async (steps) => {
        const unfinished = await findUnfinished(database, region);
        const row = unfinished?.row ?? (await begin(caller, steps, async () => {}));
        return drive(row.id, caller, options);
      }),

    begin: (caller, also) =>
      operations.inSteps({ caller, ...toRotate }, async (steps) => {
        const unfinished = await findUnfinished(database, region);
        if (unfinished === undefined) return begin(caller, steps, also);
        if (unfinished.driven) throw beingDriven();
        const { row } = unfinished;
        return steps.commit(async ({ statements }) => {
          await also(statements, row);
          return audited(row, { version: row.toVersion });
        });
      }),

    resume: async (id, options) => {
      const row = await find(id);
      if (row.phase === "done") return reportOf(row);
      // Only an operator begins one, and its row can be written by nobody else.
      const caller: Caller = { actor: { kind: "operator", id: row.startedById } };
      return operations.inSteps({ caller, ...toRotate }, () => drive(id, caller, options));
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
