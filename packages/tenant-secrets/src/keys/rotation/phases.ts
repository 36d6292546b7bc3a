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

/** A report names so many keys and values that do not open; with more, the rotation stops. */
const maxUndecryptableShown = 1000;

/** How often processes are asked whether they have loaded the new key, in milliseconds. */
const askAgainMs = 500;

type PhaseName = Exclude<RotationPhase, "done">;

/** What a rotation needs of the process that drives it. */
export interface RotationTools {
  /**
   * Keeps a backup of every master key, the new one included.
   *
   * @param caller whose rotation it is
   * @returns what to know it by, such as its checksum
   */
  readonly backup: (caller: Caller) => Promise<string>;
  /** How long processes may take to load the new key, in milliseconds. Default two minutes. */
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

/** What each phase of a rotation does. */
export function createRotationPhases(parts: RotationParts): Readonly<Record<PhaseName, Phase>> {
  const { database, infisical, masterKeys, audit, loadAuditKey } = parts;
  const { region } = masterKeys;

  const putNewKey = createStaging({ database, infisical, region, audit });

  /** The next phase, after which this process knows the keys as they are now. */
  const refreshed = async (entering: Promise<Entered>): Promise<Entered> => {
    const entered = await entering;
    await masterKeys.refresh();
    return entered;
  };

  /**
   * Whether the new key was taken out of Infisical, or replaced there, since it was read back. Nothing is wrapped under it yet,
   * so the rotation goes back to the first phase, which makes another key, or names what stands in its place.
   */
  const isGone = async ({ facts }: Step): Promise<boolean> =>
    !(await masterKeys.refresh()).versions.includes(facts.toVersion);

  /** No row refers to a key before every process that is alive has loaded it. */
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
          `These processes have not loaded version ${toVersion}: ${without.join(", ")}. See their logs; then rotate again, which goes on from here.`,
        );
      }
      await step.say(`waiting for ${without.length} processes to load the new key`);
      // Keeps the lease.
      await step.commit(async () => {});
      await sleep(askAgainMs);
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
      // A wrap under the old key can only have come before the activation; the next drive picks it up.
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
        `${keys.length} keys and ${opened.values.length} values do not open, which is more than damage to a few rows. Find out why; then rotate again, which goes on from here.`,
      );
    }
    const verified = { companiesOpened: opened.companies, undecryptable: { keys, values: opened.values } };
    return step.enter({ phase: "retire", facts: { verified } });
  };

  /**
   * Old keys that nothing is wrapped under any more stay in Infisical, for databases that are restored. One that wraps
   * something which has no good wrap under the new key goes on as it is, and each rotation looks at it again.
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
