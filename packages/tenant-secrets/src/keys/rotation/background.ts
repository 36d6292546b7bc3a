import { enqueueJob } from "@repo/db";
import { type Caller, TenantSecretsError } from "@repo/catalog";
import type { Operations } from "../../access/operation.ts";
import { checkBackupDestination, type BackupDestination, type KeepBackup } from "../backup/destination.ts";
import type { RotationPhase } from "./rotation-row.ts";
import { rotationInterrupted, type KeyRotation } from "./rotation.ts";

/** Rotations of the master key that a request asks for and a job does: a request ends long before one does. */
export interface RequestedRotation {
  /**
   * Begins a rotation of the master key, or takes up one that was interrupted, and leaves it to a job.
   *
   * @throws {TenantSecretsError} FORBIDDEN; NOT_SUPPORTED where this process has no place for backups; INVALID_INPUT where
   *   that place will not do; CONFLICT where a rotation is being driven
   */
  request(caller: Caller): Promise<{ readonly id: string; readonly phase: RotationPhase }>;
  /**
   * What the job does, in a process that has a place for backups.
   *
   * @param signal ends it between two steps, with CONFLICT; done again, it goes on from there
   * @throws {TenantSecretsError} as a rotation does
   */
  readonly run: ((id: string, signal: AbortSignal) => Promise<void>) | undefined;
}

interface Dependencies {
  readonly keyRotation: KeyRotation;
  readonly keepBackup: KeepBackup;
  readonly operations: Operations;
}

export function createRequestedRotation(
  { keyRotation, keepBackup, operations }: Dependencies,
  destination: BackupDestination | undefined,
): RequestedRotation {
  return {
    request: async (caller) => {
      const operation = { caller, action: "key.rotate", verb: "rotate", to: "rotate keys" } as const;
      const deny = destination === undefined ? noPlaceForBackups() : undefined;
      await operations.inSteps(
        { ...operation, deny },
        async () => destination && checkBackupDestination(destination),
      );
      return keyRotation.begin(caller, (statements, { id, region }) =>
        enqueueJob(statements, { task: "rotate-master-key", payload: { rotation: id }, jobKey: region }),
      );
    },
    run:
      destination &&
      (async (id, signal) => {
        await keyRotation.resume(id, {
          backup: async (caller) => (await keepBackup(caller, destination)).checksum,
          onStep: ([phase]) => {
            // What is all but finished is finished.
            if (signal.aborted && phase !== "report") throw rotationInterrupted();
          },
        });
      }),
  };
}

function noPlaceForBackups(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    'A rotation keeps a backup of the master keys first: start the API with KEY_BACKUP_RECIPIENTS and KEY_BACKUP_DIR, or run "secrets keys rotate".',
  );
}
