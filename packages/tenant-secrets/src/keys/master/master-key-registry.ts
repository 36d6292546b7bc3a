import { and, eq, sql } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import { InfisicalError, type InfisicalClient } from "@repo/infisical";
import type { AuditKey } from "@repo/audit-log";
import { type Caller, type KeyStatus, notFound, TenantSecretsError } from "@repo/catalog";
import { audited, type Operations } from "../../access/operation.ts";
import type { ApprovalGate } from "../../companies/approval-gate.ts";
import { fingerprintOf } from "./master-key-advice.ts";
import { dueAfterDays } from "./master-key-age.ts";
import { masterKeyFolder, masterKeyName } from "./master-key-name.ts";
import { readRegistry, type MasterKeyRow, type MasterKeys } from "./master-keys.ts";
import { mapInfisicalErrors } from "../on-infisical.ts";
import { macKeyVersionOf, verifyReport, type RotationReport } from "../rotation/report.ts";
import type { RotationRun } from "../rotation/rotation.ts";
import { countCompanyRotations, damagedUnder, describeRotation } from "./rotation-progress.ts";

const { masterKeys: registry, processes } = tables;

export interface MasterKeyRegistry {
  /** @throws {TenantSecretsError} FORBIDDEN */
  status(caller: Caller): Promise<KeyStatus>;
  /**
   * Destroys a retired version permanently: in Infisical, and in the registry once a read has confirmed its deletion there. A
   * database restored from before its rotation is then unreadable without a backup of the key. Idempotent after an
   * interruption.
   *
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; APPROVAL_REQUIRED; CONFLICT if it is not retired, or Infisical still has it after the
   *   deletion; STORE_UNAVAILABLE if Infisical cannot confirm
   */
  destroy(caller: Caller, version: number): Promise<void>;
  /**
   * @param rotation its id; left out: the last finished one
   * @returns the answer of `rotate`; undefined if no such rotation has finished
   * @throws {TenantSecretsError} FORBIDDEN
   */
  findReport(caller: Caller, rotation?: string): Promise<RotationReport | undefined>;
  /** @throws {TenantSecretsError} INTEGRITY_FAILURE if it was changed, CONFLICT if it reports remainders */
  verifyReport(caller: Caller, report: RotationReport): Promise<void>;
}

interface Dependencies {
  readonly database: Database;
  readonly infisical: InfisicalClient;
  readonly masterKeys: MasterKeys;
  readonly operations: Operations;
  readonly gate: ApprovalGate;
  readonly rotation: RotationRun;
  readonly loadAuditKey: (keyVersion?: number) => Promise<AuditKey>;
}

const toManage = { verb: "rotate", to: "manage keys" } as const;

export function createMasterKeyRegistry({
  database,
  infisical,
  masterKeys: { region },
  operations,
  gate,
  rotation,
  loadAuditKey,
}: Dependencies): MasterKeyRegistry {
  return {
    status: (caller) =>
      operations.read({ caller, action: "key.status", ...toManage }, async (across) => {
        const rows = (await readRegistry(database)).filter((row) => row.region === region);
        const unfinished = await rotation.findUnfinished(region);
        const status = await across(async (statements): Promise<KeyStatus> => {
          const wraps = await countWraps(statements, region);
          const alive = await statements.select().from(processes).where(eq(processes.region, region));
          const rotating = unfinished && (await describeRotation(statements, unfinished));
          return {
            region,
            versions: rows.map((row) => {
              const wrapped = wraps.get(row.version) ?? 0;
              return describe(row, { wraps: wrapped, damaged: damagedUnder(row, wrapped, rotating) });
            }),
            rotation: rotating,
            companyRotations: await countCompanyRotations(statements),
            processes: alive.map(({ id, masterKeyVersions, seenAt }) => ({
              id,
              versions: masterKeyVersions,
              seenAt,
            })),
          };
        });
        return audited(status, {});
      }),

    destroy: (caller, version) =>
      operations.inSteps({ caller, action: "key.destroy", version, ...toManage }, async (steps) => {
        const named = and(eq(registry.region, region), eq(registry.version, version));
        const name = masterKeyName(region, version);
        await gate.commit(steps, {
          caller,
          action: "key.destroy",
          parameters: { region, version },
          mayFinish: true,
          check: async ({ statements }) => {
            const [row] = await statements.select().from(registry).where(named);
            if (row === undefined) throw notFound();
            // A retired key can only become destroyed, and no wrap can be added under either, so this check holds until the end.
            // It is repeated for a key that the registry has as destroyed: Infisical may have it again.
            if (row.status !== "retired" && row.status !== "destroyed") throw notRetired(version, row.status);
            if ((await countWraps(statements, region)).has(version)) throw stillWraps(version);
          },
          act: async () => audited(undefined, { outcome: "attempted" }),
        });
        const refusal = await infisical.deleteSecret(masterKeyFolder, name).then(
          () => undefined,
          (error: unknown) => {
            if (error instanceof InfisicalError) return error.code;
            throw error;
          },
        );
        // A read decides, whatever the deletion answered.
        const left = await mapInfisicalErrors(
          () => infisical.findSecret(masterKeyFolder, name),
          "STORE_UNAVAILABLE",
          (answer) =>
            `Whether ${name} was deleted is not known: Infisical answered ${answer}. The registry has it as before. Do it again when Infisical is up.`,
        );
        if (left !== undefined) throw notDeleted(name, refusal);
        await steps.commit(async ({ statements }) => {
          await statements
            .update(registry)
            .set({ status: "destroyed" })
            .where(and(named, eq(registry.status, "retired")));
          return audited(undefined, {});
        });
      }),

    findReport: (caller, id) =>
      operations.read({ caller, action: "key.report", ...toManage }, async (across) =>
        audited(await across((statements) => rotation.findReport(statements, region, id)), {}),
      ),

    verifyReport: (caller, report) =>
      operations.read({ caller, action: "key.verify-report", ...toManage }, async () => {
        verifyReport(report, await loadAuditKey(macKeyVersionOf(report)));
        return audited(undefined, {});
      }),
  };
}

/** @returns by version, the number of company and audit keys wrapped under it; versions without any are left out */
async function countWraps(statements: Statements, region: string): Promise<ReadonlyMap<number, number>> {
  const rows = await statements.execute(sql`
    select version, count(*)::int as count from (
      select region, master_key_version as version from company_key_wraps
      union all select region, master_key_version from audit_key_wraps) w
    where region = ${region} group by version`);
  return new Map(rows.map((row) => [Number(row["version"]), Number(row["count"])]));
}

function describe(
  row: MasterKeyRow,
  counts: Pick<KeyStatus["versions"][number], "wraps" | "damaged">,
): KeyStatus["versions"][number] {
  return {
    version: row.version,
    name: masterKeyName(row.region, row.version),
    status: row.status,
    fingerprint: fingerprintOf(row),
    createdAt: row.createdAt,
    activatedAt: row.activatedAt ?? undefined,
    dueAt: row.status === "active" ? addDays(row.activatedAt ?? row.createdAt, dueAfterDays) : undefined,
    ...counts,
  };
}

function notRetired(version: number, status: string): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    `Version ${version} of the master key is ${status}: only a retired one, which a rotation leaves behind, can be destroyed.`,
  );
}

function stillWraps(version: number): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    `Something is still wrapped under version ${version} of the master key: rotate, which wraps it under the active one.`,
  );
}

function notDeleted(name: string, refusal: string | undefined): TenantSecretsError {
  const why =
    refusal === undefined
      ? "said that it deleted it, and still has it, as where a change waits for approval"
      : `answered ${refusal}`;
  return new TenantSecretsError(
    "CONFLICT",
    `${name} was not destroyed: Infisical ${why}. The registry has it as before. See that the machine identity may delete secrets in ${masterKeyFolder}, and do it again.`,
  );
}

function addDays(date: Date, days: number): Date {
  return new Date(date.getTime() + days * 86_400_000);
}
