import { asTenantSecretsError } from "@repo/audit-log";
import type { Catalog, TenantSecretsError } from "@repo/catalog";
import { type Database, SchemaError } from "@repo/db";
import type { Assembly } from "./assembly/assembly.ts";
import type { ServingProcess } from "./keys/rotation/process-registry.ts";

export interface LifecycleParts {
  readonly assembly: Pick<Assembly<Catalog>, "prepare" | "serve" | "stop">;
  readonly database: Pick<Database, "check">;
  /** Undefined where nothing is cached. */
  readonly listenerUrl: string | undefined;
  readonly onAlarm: (error: TenantSecretsError) => void;
  /** Closes what was opened for this. */
  readonly close: () => Promise<void>;
}

export interface Lifecycle {
  /** @throws {SchemaError} where the tables do not fit this program */
  start(): Promise<void>;
  stop(): Promise<void>;
  isListening(): boolean;
  /** @throws {TypeError} where a use would go on without a cache that was asked for, or after the end */
  requireStarted(): void;
}

/** The one order of the steps: check, load keys, join the processes; and at the end leave, commit, close. */
export function createLifecycle(parts: LifecycleParts): Lifecycle {
  const { assembly, database, listenerUrl, onAlarm, close } = parts;
  let member: ServingProcess | undefined;
  let starting: Promise<void> | undefined;
  let stopping: Promise<void> | undefined;

  const run = async (): Promise<void> => {
    await database.check().catch((error: unknown) => {
      throw error instanceof SchemaError ? error : asTenantSecretsError(error);
    });
    await assembly.prepare();
    if (listenerUrl !== undefined) member = await assembly.serve(listenerUrl, onAlarm);
  };
  const end = async (): Promise<void> => {
    await starting?.catch(() => {});
    await member?.stop();
    try {
      await assembly.stop();
    } finally {
      await close();
    }
  };
  return {
    start: async () => {
      if (stopping !== undefined) throw new TypeError("stop() was called: there is no start after it.");
      starting ??= run().catch((error: unknown) => {
        starting = undefined;
        throw error;
      });
      await starting;
    },
    stop: async () => {
      stopping ??= end();
      await stopping;
    },
    isListening: () => stopping === undefined && member?.isListening() === true,
    requireStarted: () => {
      if (member === undefined && listenerUrl !== undefined)
        throw new TypeError(
          "Not started: await start() first, which turns the cache on. A script that needs no cache says cache: false.",
        );
    },
  };
}
