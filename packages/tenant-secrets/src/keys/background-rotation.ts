import { desc, eq } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import { perform, refuse } from "../access/attempt.ts";
import type { AuditLog } from "../access/audit.ts";
import { asTenantSecretsError, onDatabase } from "../access/database-errors.ts";
import { permitsOnPlatform } from "../access/permissions.ts";
import type { Caller } from "../vocabulary/actor.ts";
import { forbidden, TenantSecretsError } from "../vocabulary/errors.ts";
import { checkBackupDestination, type BackupDestination, type KeepBackup } from "./kept-backup.ts";
import type { RotationPhase } from "./rotation-row.ts";
import type { KeyRotation } from "./rotation.ts";

const { keyRotations } = tables;

export interface BackgroundRotationOptions {
  readonly backup: BackupDestination;
  /** Told when a rotation that was started has ended: with its report made, or with what stopped it. */
  readonly onEnd: (error: TenantSecretsError | undefined) => void;
}

/** Rotations that nobody waits for: for a server, where a request ends long before one does. */
export interface BackgroundRotation {
  /**
   * Starts a rotation of the master key in this process, or goes on with one that was interrupted.
   *
   * @returns once it has begun
   * @throws {TenantSecretsError} FORBIDDEN; NOT_SUPPORTED where this process has no place for backups; INVALID_INPUT where
   *   that place will not do; CONFLICT where a rotation is being driven; what else `rotate` throws before its first step
   */
  start(caller: Caller): Promise<{ readonly id: string; readonly phase: RotationPhase }>;
  /** Stops what runs, between two steps. Any process goes on with it later. */
  stop(): Promise<void>;
}

export function createBackgroundRotation(
  database: Database,
  region: string,
  keyRotation: KeyRotation,
  keepBackup: KeepBackup,
  audit: AuditLog,
  options: BackgroundRotationOptions | undefined,
): BackgroundRotation {
  const running = new Set<Promise<void>>();
  let stopping = false;

  const begin = (caller: Caller, { backup, onEnd }: BackgroundRotationOptions): Promise<void> => {
    const { promise: begun, resolve, reject } = Promise.withResolvers<void>();
    let hasBegun = false;
    const run = async (): Promise<void> => {
      try {
        await keyRotation.rotate(caller, {
          backup: async () => (await keepBackup(caller, backup)).checksum,
          onStep: ([phase]) => {
            // What is all but finished is finished.
            if (stopping && phase !== "report") throw rotationInterrupted();
            hasBegun = true;
            resolve();
          },
        });
        resolve();
        onEnd(undefined);
      } catch (error) {
        if (hasBegun) onEnd(asTenantSecretsError(error));
        else reject(error);
      }
    };
    const ended = run().finally(() => running.delete(ended));
    running.add(ended);
    return begun;
  };

  const latest = (): Promise<{ id: string; phase: RotationPhase }> =>
    onDatabase(() =>
      database.acrossCompanies(async (statements) => {
        const [row] = await statements
          .select({ id: keyRotations.id, phase: keyRotations.phase })
          .from(keyRotations)
          .where(eq(keyRotations.region, region))
          .orderBy(desc(keyRotations.startedAt))
          .limit(1);
        if (row === undefined) throw new Error("rotations stay on record");
        return row;
      }),
    );

  return {
    start: async (caller) => {
      const attempt = { caller, action: "key.rotate" } as const;
      if (!permitsOnPlatform(caller.actor, "rotate")) return refuse(audit, attempt, forbidden("rotate keys"));
      if (options === undefined) return refuse(audit, attempt, noPlaceForBackups());
      await perform(audit, attempt, () => checkBackupDestination(options.backup));
      await begin(caller, options);
      return latest();
    },
    stop: async () => {
      stopping = true;
      await Promise.all(running);
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

function noPlaceForBackups(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    'A rotation keeps a backup of the master keys first: start the API with KEY_BACKUP_RECIPIENTS and KEY_BACKUP_DIR, or run "secrets keys rotate".',
  );
}
