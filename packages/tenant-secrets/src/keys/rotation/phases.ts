import { setTimeout as sleep } from "node:timers/promises";
import { and, eq, sql } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import type { AuditKey, AuditLog } from "@repo/audit-log";
import { type Caller, type RotationPhase, TenantSecretsError } from "@repo/catalog";
import type { Entered, OnStep, RunStep } from "../../runs/definition.ts";
import type { MasterKeys } from "../master/master-keys.ts";
import { processesWithout } from "./process-registry.ts";
import { makeReport, type RotationFacts, type RotationInput } from "./report.ts";
import { countWraps, findMissing, removeWraps, rewrapKeys } from "./rewrap.ts";
import type { z } from "zod";
import { createStaging } from "./staging.ts";
import { countCanaries, openCanaries } from "./verify.ts";

const { auditKeyWraps, companyKeyWraps, masterKeys: registry } = tables;

/** Keys and values that a report lists as undecryptable; with more, the rotation stops. */
const maxUndecryptableShown = 1000;

/** Milliseconds between two checks whether all processes have loaded the new key. */
const pollIntervalMs = 500;

type PhaseName = Exclude<RotationPhase, "done">;

/** What a rotation requires from the process that drives it. */
export interface RotationTools {
  /**
   * Stores a backup of every master key, including the new one.
   *
   * @param caller of the rotation
   * @returns an identification of the backup, such as its checksum
   */
  readonly backup: (caller: Caller) => Promise<string>;
  /** Milliseconds that processes may take to load the new key. Default: two minutes. */
  readonly timeoutMs?: number;
}

export interface RotationOptions extends RotationTools {
  readonly onStep?: OnStep;
  /** Stops the rotation between two steps, with CONFLICT. */
  readonly signal?: AbortSignal;
}

export interface RotationParts {
  readonly database: Database;
  readonly infisical: InfisicalClient;
  readonly masterKeys: MasterKeys;
  readonly audit: AuditLog;
  readonly loadAuditKey: () => Promise<AuditKey>;
}

type Step = RunStep<z.infer<typeof RotationInput>, RotationFacts, PhaseName>;
type Phase = (step: Step, tools: RotationTools) => Promise<Entered>;

/** The implementation of each phase of a rotation. */
export function createRotationPhases(parts: RotationParts): Readonly<Record<PhaseName, Phase>> {
  const { database, infisical, masterKeys, audit, loadAuditKey } = parts;
  const { region } = masterKeys;

  const putNewKey = createStaging({ database, infisical, region, audit });

  /** Enters the next phase, and reloads the keys in this process. */
  const refreshed = async (entering: Promise<Entered>): Promise<Entered> => {
    const entered = await entering;
    await masterKeys.refresh();
    return entered;
  };

  /**
   * Whether the new key was removed or replaced in Infisical since it was verified. Nothing is wrapped under it yet, so the
   * rotation returns to the first phase, which creates another key or reports the one in its place.
   */
  const isGone = async ({ facts }: Step): Promise<boolean> =>
    !(await masterKeys.refresh()).versions.includes(facts.toVersion);

  /** No wrap uses a key before every live process has loaded it. */
  const distribute: Phase = async (step, { timeoutMs = 120_000 }) => {
    if (await isGone(step)) return step.enter({ phase: "stage" });
    const { toVersion } = step.facts;
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const without = await processesWithout(database, region, toVersion);
      if (without.length === 0) return step.enter({ phase: "activate" });
      if (performance.now() > deadline) {
        throw new TenantSecretsError(
          "CONFLICT",
          `These processes have not loaded version ${toVersion}: ${without.join(", ")}. See their logs; then rotate again, which continues from here.`,
        );
      }
      await step.say(`waiting for ${without.length} processes to load the new key`);
      // Extends the lease.
      await step.commit(async () => {});
      await sleep(pollIntervalMs);
    }
  };

  const activate: Phase = async (step) => {
    if (await isGone(step)) return step.enter({ phase: "stage" });
    const { fromVersion } = step.input;
    const { toVersion } = step.facts;
    await audit.ready();
    const entering = step.enter(async (statements) => {
      const setStatus = (version: number, status: "active" | "retiring") =>
        statements
          .update(registry)
          .set({ status, ...(status === "active" ? { activatedAt: sql`now()` } : {}) })
          .where(and(eq(registry.region, region), eq(registry.version, version)));
      await setStatus(fromVersion, "retiring");
      await setStatus(toVersion, "active");
      const event = { action: "key.activate", outcome: "success", version: toVersion } as const;
      await audit.recordInTransaction(statements, step.caller, event);
      return { phase: "rewrap", total: await countWraps(statements, { region, version: fromVersion }) };
    });
    return refreshed(entering);
  };

  const rewrap: Phase = async (step) => {
    const ring = await masterKeys.load();
    await rewrapKeys(database, ring.get(step.input.fromVersion), {
      to: ring.get(step.facts.toVersion),
      step,
    });
    return step.enter(async (statements) => ({ phase: "verify", total: await countCanaries(statements) }));
  };

  const verify: Phase = async (step) => {
    const ring = await masterKeys.load();
    const to = ring.get(step.facts.toVersion);
    const missing = await findMissing(database, ring.get(step.input.fromVersion), to);
    if (missing.count > 0) {
      // A wrap under the old key can only date from before the activation; the next drive includes it.
      await step.enter({ phase: "rewrap" });
      throw new TenantSecretsError(
        "CONFLICT",
        `${missing.count} keys are still wrapped under the old key alone. Rotate again.`,
      );
    }
    const opened = await openCanaries(database, to, step);
    const keys = [...missing.undecryptable, ...opened.keys];
    if (keys.length + opened.values.length > maxUndecryptableShown) {
      throw new TenantSecretsError(
        "INTEGRITY_FAILURE",
        `${keys.length} keys and ${opened.values.length} values do not open, which is more than damage to a few rows. Find out why; then rotate again, which continues from here.`,
      );
    }
    const verified = { companiesOpened: opened.companies, undecryptable: { keys, values: opened.values } };
    return step.enter({ phase: "retire", facts: { verified } });
  };

  /**
   * Old keys without wraps stay in Infisical, for restored databases. A key with a wrap that could not be replaced stays
   * retiring, and each rotation tries again.
   */
  const retire: Phase = async (step) => {
    const ring = await masterKeys.load();
    const { fromVersion } = step.input;
    const { toVersion, verified } = step.facts;
    if (ring.versions.includes(fromVersion)) {
      const [from, to] = [ring.get(fromVersion), ring.get(toVersion)];
      await removeWraps({ from, to }, verified?.undecryptable.keys ?? [], step);
    }
    await audit.ready();
    const entering = step.enter(async (statements) => {
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
      const event = { action: "key.retire", outcome: "success" } as const;
      const events = retired.map(({ version }) => ({ ...event, version }));
      await audit.recordInTransaction(statements, step.caller, events);
      return { phase: "report" };
    });
    return refreshed(entering);
  };

  return {
    stage: (step) => refreshed(putNewKey(step)),
    backup: async (step, tools) => {
      const backupChecksum = await tools.backup(step.caller);
      return step.enter({ phase: "distribute", facts: { backupChecksum } });
    },
    distribute,
    activate,
    rewrap,
    verify,
    retire,
    report: async (step) =>
      step.enter({ phase: "done", report: await makeReport(database, step, await loadAuditKey()) }),
  };
}
