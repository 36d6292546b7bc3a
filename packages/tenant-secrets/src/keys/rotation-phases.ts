import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { and, eq, sql } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import type { AuditKey, AuditLog } from "../access/audit.ts";
import { onDatabase } from "../access/database-errors.ts";
import { sameCheckValue } from "../crypto/derivation.ts";
import type { Caller } from "../vocabulary/actor.ts";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import { openCanaries } from "./canaries.ts";
import { derivationFor, readMasterKey } from "./master-key-text.ts";
import {
  askInfisical,
  masterKeyFolder,
  masterKeyName,
  readRegistry,
  type MasterKeys,
} from "./master-keys.ts";
import { processesWithout } from "./processes.ts";
import { makeReport, verifiedOf } from "./report.ts";
import { findMissing, removeWraps, rewrapKeys } from "./rewrap.ts";
import type { Lease, RotationRow } from "./rotation-row.ts";

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

  /** The new key is in Infisical, read back, and in the registry as pending. */
  const stage = async ({ row, lease, say }: Drive): Promise<void> => {
    const name = masterKeyName(region, row.toVersion);
    // A key that an interrupted rotation left there was used for nothing yet, and does as well as a new one.
    const look = async (): Promise<string | undefined> =>
      (await askInfisical(region, () => infisical.findSecret(masterKeyFolder, name)))?.value;
    const found = await look();
    const text = found ?? randomBytes(32).toString("hex");
    const registered = (await readRegistry(database)).find(
      (known) => known.region === region && known.version === row.toVersion,
    );
    const derivation = registered ?? derivationFor(text);
    const { checkValue } = await readMasterKey(text, region, row.toVersion, derivation);
    if (found === undefined) {
      await askInfisical(region, () => infisical.putSecret(masterKeyFolder, name, text));
    }
    await say("stage", "the new key is in Infisical");
    const back = (await look()) ?? "";
    const { checkValue: backValue } = await readMasterKey(back, region, row.toVersion, derivation);
    if (!sameCheckValue(backValue, checkValue)) {
      throw new TenantSecretsError(
        "MASTER_KEY_WRONG",
        `${name} came back from Infisical as another key than was put there.`,
      );
    }
    await onDatabase(() =>
      database.acrossCompanies(async (statements) => {
        await statements
          .insert(registry)
          .values({
            region,
            version: row.toVersion,
            status: "pending",
            derivation: derivation.derivation,
            parameters: derivation.parameters,
            checkValue,
          })
          .onConflictDoNothing();
        await lease.enter(statements, "backup");
      }),
    );
    await masterKeys.refresh();
  };

  const backup = async ({ lease, caller, backup: keep }: Drive): Promise<void> => {
    const backupChecksum = await keep(caller);
    await onDatabase(() =>
      database.acrossCompanies((statements) => lease.enter(statements, "distribute", { backupChecksum })),
    );
  };

  /** No row refers to a key before every process that is alive has loaded it. */
  const distribute = async ({ row, lease, say, patienceMs = 120_000 }: Drive): Promise<void> => {
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
