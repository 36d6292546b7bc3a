import { desc, eq } from "drizzle-orm";
import { tables } from "@repo/db";
import type { z } from "zod";
import { type Caller, notFound, RotationPhase, TenantSecretsError } from "@repo/catalog";
import { audited, type Operations, type Steps } from "../../access/operation.ts";
import { RunDriven, type RunRow } from "../../runs/lease.ts";
import { defineRun, type Run } from "../../runs/run.ts";
import { checkBackupDestination, type BackupDestination, type StoreBackup } from "../backup/destination.ts";
import {
  createRotationPhases,
  type RotationOptions,
  type RotationParts,
  type RotationTools,
} from "./phases.ts";
import { countEncrypted, RotationFacts, RotationInput, type RotationReport } from "./report.ts";

const { masterKeys: registry } = tables;

export interface KeyRotation {
  /**
   * Rotates the master key of this region, or continues an interrupted rotation, up to its report. Every step is idempotent, so
   * that it can be interrupted anywhere.
   *
   * @throws {TenantSecretsError} FORBIDDEN; CONFLICT if another process drives one, or a process does not load the new key in
   *   time; INTEGRITY_FAILURE if too much does not decrypt; errors of Infisical and the database
   */
  rotate(caller: Caller, options: RotationOptions): Promise<RotationReport>;
  /**
   * Starts a rotation of the master key, or resumes an interrupted one, as a job: a request ends long before a rotation does.
   *
   * @throws {TenantSecretsError} FORBIDDEN; NOT_SUPPORTED if this process has no backup destination; INVALID_INPUT if the
   *   destination is unusable; CONFLICT if a rotation is being driven
   */
  request(caller: Caller): Promise<{ readonly id: string; readonly phase: RotationPhase }>;
}

/** The subject is the region. */
export type RotationRun = Run<z.infer<typeof RotationInput>, RotationFacts, RotationTools>;

/** Where requested rotations store their backup. */
export interface Backups {
  readonly storeBackup: StoreBackup;
  readonly destination: BackupDestination | undefined;
}

const toRotate = { action: "key.rotate", verb: "rotate", to: "rotate keys" } as const;

export function defineKeyRotation(
  parts: RotationParts & { readonly operations: Operations },
  { storeBackup, destination }: Backups,
): RotationRun {
  const { database, masterKeys, operations } = parts;
  const tools = destination && {
    backup: async (caller: Caller) => (await storeBackup(caller, destination)).checksum,
  };
  return defineRun(database, {
    kind: "rotate-master-key",
    title: "Rotation of the master key",
    concerns: "platform",
    isReceipt: true,
    keyVersion: ({ toVersion }) => toVersion,
    verb: "rotate",
    first: "stage",
    input: RotationInput,
    facts: RotationFacts,
    phases: createRotationPhases(parts),
    // In the middle of a rotation, keys are wrapped under two master keys.
    cancellable: false,
    background: {
      callerOf: ({ subject, requestedById }) => {
        if (subject !== masterKeys.region) throw notFound();
        // Only an operator can start one, and only this code writes its row.
        return { actor: { kind: "operator", id: requestedById } };
      },
      within: (caller, work) =>
        operations.inSteps({ caller, ...toRotate }, async () => {
          await masterKeys.refresh();
          await work();
        }),
      tools: tools && (() => tools),
    },
  });
}

export function createKeyRotation(
  { database, masterKeys, operations }: RotationParts & { readonly operations: Operations },
  rotation: RotationRun,
  destination: BackupDestination | undefined,
): KeyRotation {
  const { region } = masterKeys;

  const begin = async (caller: Caller, steps: Steps, how: "drive" | "enqueue"): Promise<RunRow> => {
    await masterKeys.refresh();
    const encrypted = await countEncrypted(database);
    const { active } = await masterKeys.load();
    return steps.commit(async ({ statements }) => {
      const [newest] = await statements
        .select()
        .from(registry)
        .where(eq(registry.region, region))
        .orderBy(desc(registry.version))
        .limit(1);
      const toVersion = (newest?.version ?? active.version) + 1;
      const row = await rotation.start(statements, {
        subject: region,
        input: { fromVersion: active.version },
        facts: { toVersion, encrypted, backupChecksum: null, verified: null },
        caller,
      });
      if (row === undefined) throw new RunDriven();
      if (how === "enqueue") await rotation.enqueue(statements, row);
      return audited(row, { version: toVersion });
    });
  };

  return {
    rotate: (caller, { onStep, signal, ...tools }) =>
      operations.inSteps({ caller, ...toRotate }, async (steps) => {
        const unfinished = await rotation.findUnfinished(region);
        const { id } = unfinished?.row ?? (await begin(caller, steps, "drive"));
        await masterKeys.refresh();
        const { row } = await rotation.drive(id, { caller, tools, onStep, signal });
        return { report: row.report ?? "", mac: row.reportMac ?? "" };
      }),

    request: async (caller) => {
      const deny = destination === undefined ? noPlaceForBackups() : undefined;
      return operations.inSteps({ caller, ...toRotate, deny }, async (steps) => {
        if (destination !== undefined) await checkBackupDestination(destination);
        const unfinished = await rotation.findUnfinished(region);
        if (unfinished?.driven === true) throw new RunDriven();
        const { id, phase } =
          unfinished === undefined
            ? await begin(caller, steps, "enqueue")
            : await steps.commit(async ({ statements }) => {
                await rotation.enqueue(statements, unfinished.row);
                return audited(unfinished.row, { version: unfinished.facts.toVersion });
              });
        return { id, phase: RotationPhase.parse(phase) };
      });
    },
  };
}

function noPlaceForBackups(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    'A rotation keeps a backup of the master keys first: start the API with KEY_BACKUP_RECIPIENTS and KEY_BACKUP_DIR, or run "secrets keys rotate".',
  );
}
