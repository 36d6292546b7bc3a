import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { and, desc, eq, sql } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import { perform, refuse } from "../access/attempt.ts";
import type { AuditKey, AuditLog } from "../access/audit.ts";
import { onDatabase } from "../access/database-errors.ts";
import { permitsOnPlatform } from "../access/permissions.ts";
import { sameCheckValue } from "../crypto/derivation.ts";
import type { Caller } from "../vocabulary/actor.ts";
import { forbidden, TenantSecretsError } from "../vocabulary/errors.ts";
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
import { countSealed, makeReport, type RotationReport } from "./report.ts";
import { countMissing, removeWraps, rewrapKeys } from "./rewrap.ts";
import { findUnfinished, insertRotation, takeLease, type Lease, type RotationRow } from "./rotation-row.ts";

const { keyRotations, masterKeys: registry } = tables;

/** What a rotation says while it goes on: the phase, and what was just done or is waited for. */
export type RotationStep = readonly [phase: RotationRow["phase"], done: string];

export interface RotationOptions {
  /** Keeps a backup of every master key, the new one included. @returns what to know it by, such as its checksum */
  readonly backup: () => Promise<string>;
  /** Called after each thing that is done, and while something is waited for; what it throws stops the rotation there. */
  readonly onStep?: (step: RotationStep) => void | Promise<void>;
  /** How long processes may take to load the new key, in milliseconds. Default two minutes. */
  readonly patienceMs?: number;
}

export interface KeyRotation {
  /**
   * Rotates the master key of this region, or goes on with a rotation that was interrupted, up to its report. Each step
   * can be repeated, so that it may be stopped anywhere.
   *
   * @throws {TenantSecretsError} FORBIDDEN; CONFLICT where another process drives one, or a process does not load the new
   *   key in time; INTEGRITY_FAILURE where a wrap does not open; what Infisical and the database cause
   */
  rotate(caller: Caller, options: RotationOptions): Promise<RotationReport>;
}

interface Drive extends RotationOptions {
  readonly row: RotationRow;
  readonly lease: Lease;
  readonly caller: Caller;
  readonly say: (phase: RotationRow["phase"], done: string) => Promise<void>;
}

export function createKeyRotation(
  database: Database,
  infisical: InfisicalClient,
  masterKeys: MasterKeys,
  audit: AuditLog,
  loadAuditKey: () => Promise<AuditKey>,
): KeyRotation {
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

  const backup = async ({ lease, backup: keep }: Drive): Promise<void> => {
    const backupChecksum = await keep();
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
    const missing = await countMissing(database, ring.get(row.fromVersion), to);
    if (missing > 0) {
      // A wrap under the old key can only have come before the activation; the next drive picks it up.
      await onDatabase(() => database.acrossCompanies((statements) => lease.enter(statements, "rewrap")));
      throw new TenantSecretsError(
        "CONFLICT",
        `${missing} keys are still wrapped under the old key alone. Rotate again.`,
      );
    }
    const opened = await openCanaries(database, to, lease.fence, (count) =>
      say("verify", `${count} companies opened with the new key alone`),
    );
    await onDatabase(() =>
      database.acrossCompanies((statements) =>
        lease.enter(statements, "retire", { before: { ...Object(row.before), canaries: opened } }),
      ),
    );
  };

  /** Nothing is wrapped under the old key any more. It stays in Infisical, for databases that are restored. */
  const retire = async ({ row, lease, caller }: Drive): Promise<void> => {
    const ring = await masterKeys.load();
    if (ring.versions.includes(row.fromVersion))
      await removeWraps(database, ring.get(row.fromVersion), lease.fence);
    await audit.ready();
    await onDatabase(() =>
      database.acrossCompanies(async (statements) => {
        await statements
          .update(registry)
          .set({ status: "retired", retiredAt: sql`now()` })
          .where(and(eq(registry.region, region), eq(registry.version, row.fromVersion)));
        await audit.addTo(statements, caller, {
          action: "key.retire",
          outcome: "allowed",
          version: row.fromVersion,
        });
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

  const phases = { stage, backup, distribute, activate, rewrap, verify, retire, report };

  const find = (id: string): Promise<RotationRow> =>
    onDatabase(() =>
      database.acrossCompanies(async (statements) => {
        const [row] = await statements.select().from(keyRotations).where(eq(keyRotations.id, id));
        if (row === undefined) throw new Error("rotations stay on record");
        return row;
      }),
    );

  const begin = async (caller: Caller): Promise<RotationRow> => {
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
        return row;
      }),
    );
  };

  return {
    rotate: (caller, options) => {
      const attempt = { caller, action: "key.rotate", changes: true } as const;
      if (!permitsOnPlatform(caller.actor, "rotate")) return refuse(audit, attempt, forbidden("rotate keys"));
      return perform(audit, attempt, async () => {
        let row = (await findUnfinished(database, region)) ?? (await begin(caller));
        const lease = await takeLease(database, row.id, randomUUID());
        const say = async (phase: RotationRow["phase"], done: string): Promise<void> => {
          await options.onStep?.([phase, done]);
        };
        try {
          row = await find(row.id);
          await masterKeys.refresh();
          while (row.phase !== "done") {
            const { phase } = row;
            await say(phase, "begins");
            await phases[phase]({ ...options, row, lease, caller, say });
            await say(phase, "is done");
            row = await find(row.id);
          }
        } finally {
          await lease.release();
        }
        return { report: row.report ?? "", mac: row.reportMac ?? "" };
      });
    },
  };
}
