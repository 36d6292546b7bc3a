import { setTimeout as sleep } from "node:timers/promises";
import { and, eq, sql } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import { type AuditKey, type AuditLog, onDatabase } from "@repo/audit-log";
import { type Caller, TenantSecretsError } from "@repo/catalog";
import { openCanaries } from "./verify.ts";
import type { MasterKeys } from "../master/master-keys.ts";
import { processesWithout } from "./process-registry.ts";
import { makeReport, verifiedOf } from "./report.ts";
import { findMissing, removeWraps, rewrapKeys } from "./rewrap.ts";
import type { Lease, RotationRow } from "./rotation-row.ts";
import { createStaging } from "./staging.ts";

const { auditKeyWraps, companyKeyWraps, masterKeys: registry } = tables;

/** A report names so many keys and values that do not open; with more, the rotation stops. */
const mostUnopenable = 1000;

/** What a rotation says while it goes on: the phase, and what was just done or is waited for. */
export type RotationStep = readonly [phase: RotationRow["phase"], done: string];

export interface RotationOptions {
  /**
   * Keeps a backup of every master key, the new one included.
   *
   * @param caller whose rotation it is
   * @returns what to know it by, such as its checksum
   */
  readonly backup: (caller: Caller) => Promise<string>;
  /** Called after each thing that is done, and while something is waited for; what it throws stops the rotation there. */
  readonly onStep?: (step: RotationStep) => void | Promise<void>;
  /** How long processes may take to load the new key, in milliseconds. Default two minutes. */
  readonly patienceMs?: number;
}

export interface Drive extends RotationOptions {
  readonly row: RotationRow;
  readonly lease: Lease;
  readonly caller: Caller;
  readonly say: (phase: RotationRow["phase"], done: string) => Promise<void>;
}

/** One phase of a rotation that is driven: it does its work, and enters the next in the same transaction. */
type Phase = (drive: Drive) => Promise<void>;

/** What each phase does. All of it can be repeated, so that it may be stopped anywhere. */
export function createRotationPhases(
  database: Database,
  infisical: InfisicalClient,
  masterKeys: MasterKeys,
  audit: AuditLog,
  loadAuditKey: () => Promise<AuditKey>,
): Readonly<Record<Exclude<RotationRow["phase"], "done">, Phase>> {
  const { region } = masterKeys;

  const putNewKey = createStaging(database, infisical, region, audit);

  const stage = async ({ row, lease, caller, say }: Drive): Promise<void> => {
    const onPut = () => say("stage", "the new key is in Infisical");
    await putNewKey({ row, lease, caller, onPut });
    await masterKeys.refresh();
  };

  const backup = async ({ lease, caller, backup: keep }: Drive): Promise<void> => {
    const backupChecksum = await keep(caller);
    await onDatabase(() =>
      database.acrossCompanies((statements) => lease.enter(statements, "distribute", { backupChecksum })),
    );
  };

  /**
   * Whether the new key was taken out of Infisical, or replaced there, since it was read back. Nothing is wrapped under it yet,
   * so the rotation goes back to the first phase, which makes another key, or names what stands in its place.
   */
  const isGone = async ({ toVersion }: RotationRow, lease: Lease): Promise<boolean> => {
    const { versions } = await masterKeys.refresh();
    if (versions.includes(toVersion)) return false;
    await onDatabase(() => database.acrossCompanies((statements) => lease.enter(statements, "stage")));
    return true;
  };

  /** No row refers to a key before every process that is alive has loaded it. */
  const distribute = async ({ row, lease, say, patienceMs = 120_000 }: Drive): Promise<void> => {
    if (await isGone(row, lease)) return;
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const without = await processesWithout(database, region, row.toVersion);
      if (without.length === 0) break;
      if (performance.now() > deadline) {
        throw new TenantSecretsError(
          "CONFLICT",
          `These processes have not loaded version ${row.toVersion}: ${without.join(", ")}. See their logs; then rotate again, which goes on from here.`,
        );
      }
      await say("distribute", `waiting for ${without.length} processes to load the new key`);
      await onDatabase(() => database.acrossCompanies((statements) => lease.fence(statements)));
      await sleep(500);
    }
    await onDatabase(() => database.acrossCompanies((statements) => lease.enter(statements, "activate")));
  };

  const activate = async ({ row, lease, caller }: Drive): Promise<void> => {
    if (await isGone(row, lease)) return;
    await audit.ready();
    await onDatabase(() =>
      database.acrossCompanies(async (statements) => {
        const setStatus = (version: number, status: "active" | "retiring") =>
          statements
            .update(registry)
            .set({ status, ...(status === "active" ? { activatedAt: sql`now()` } : {}) })
            .where(and(eq(registry.region, region), eq(registry.version, version)));
        await setStatus(row.fromVersion, "retiring");
        await setStatus(row.toVersion, "active");
        await audit.addTo(statements, caller, {
          action: "key.activate",
          outcome: "allowed",
          version: row.toVersion,
        });
        await lease.enter(statements, "rewrap");
      }),
    );
    await masterKeys.refresh();
  };

  const rewrap = async ({ row, lease, say }: Drive): Promise<void> => {
    const ring = await masterKeys.load();
    let total = 0;
    await rewrapKeys(
      database,
      ring.get(row.fromVersion),
      ring.get(row.toVersion),
      lease.fence,
      async (count) => {
        total += count;
        await say("rewrap", `${total} keys wrapped anew`);
      },
    );
    await onDatabase(() => database.acrossCompanies((statements) => lease.enter(statements, "verify")));
  };

  const verify = async ({ row, lease, say }: Drive): Promise<void> => {
    const ring = await masterKeys.load();
    const to = ring.get(row.toVersion);
    const missing = await findMissing(database, ring.get(row.fromVersion), to);
    if (missing.count > 0) {
      // A wrap under the old key can only have come before the activation; the next drive picks it up.
      await onDatabase(() => database.acrossCompanies((statements) => lease.enter(statements, "rewrap")));
      throw new TenantSecretsError(
        "CONFLICT",
        `${missing.count} keys are still wrapped under the old key alone. Rotate again.`,
      );
    }
    const opened = await openCanaries(database, to, lease.fence, (count) =>
      say("verify", `${count} companies opened with the new key alone`),
    );
    const keys = [...missing.unopenable, ...opened.keys];
    if (keys.length + opened.values.length > mostUnopenable) {
      throw new TenantSecretsError(
        "INTEGRITY_FAILURE",
        `${keys.length} keys and ${opened.values.length} values do not open, which is more than damage to a few rows. Find out why; then rotate again, which goes on from here.`,
      );
    }
    await onDatabase(() =>
      database.acrossCompanies((statements) =>
        lease.enter(statements, "retire", {
          before: {
            ...Object(row.before),
            companiesOpened: opened.companies,
            unopenable: { keys, values: opened.values },
          },
        }),
      ),
    );
  };

  /**
   * Old keys that nothing is wrapped under any more stay in Infisical, for databases that are restored. One that wraps
   * something which has no good wrap under the new key goes on as it is, and each rotation looks at it again.
   */
  const retire = async ({ row, lease, caller }: Drive): Promise<void> => {
    const ring = await masterKeys.load();
    if (ring.versions.includes(row.fromVersion)) {
      const kept = verifiedOf(row).unopenable.keys;
      await removeWraps(database, ring.get(row.fromVersion), ring.get(row.toVersion), kept, lease.fence);
    }
    await audit.ready();
    await onDatabase(() =>
      database.acrossCompanies(async (statements) => {
        const under = (wraps: typeof companyKeyWraps | typeof auditKeyWraps) =>
          sql`not exists (select from ${wraps} w where w.region = ${registry.region} and w.master_key_version = ${registry.version})`;
        const retired = await statements
          .update(registry)
          .set({ status: "retired", retiredAt: sql`now()` })
          .where(
            and(
              eq(registry.region, region),
              eq(registry.status, "retiring"),
              under(companyKeyWraps),
              under(auditKeyWraps),
            ),
          )
          .returning({ version: registry.version });
        for (const { version } of retired)
          await audit.addTo(statements, caller, { action: "key.retire", outcome: "allowed", version });
        await lease.enter(statements, "report");
      }),
    );
    await masterKeys.refresh();
  };

  const report = async ({ row, lease }: Drive): Promise<void> => {
    const made = await makeReport(database, row, await loadAuditKey());
    await onDatabase(() =>
      database.acrossCompanies((statements) =>
        lease.enter(statements, "done", {
          report: made.report,
          reportMac: made.mac,
          finishedAt: made.finishedAt,
        }),
      ),
    );
  };

  return { stage, backup, distribute, activate, rewrap, verify, retire, report };
}
