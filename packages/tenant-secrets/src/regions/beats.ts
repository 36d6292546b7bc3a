import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { asTenantSecretsError } from "@repo/audit-log";
import type { TenantSecretsError } from "@repo/catalog";
import type { Database } from "@repo/db";
import type { RegionRegistry } from "./registry.ts";

export interface RunningBeats {
  stop(): Promise<void>;
}

const beatMs = 1000;

interface Dependencies {
  readonly database: Database;
  readonly registry: Pick<RegionRegistry, "list">;
  readonly ownRegion: string;
}

/**
 * Tells the other regions each second that this one is there: what they have is complete up to the last beat that has arrived.
 * Several processes may do so. Where no region is known, nothing is written.
 *
 * @returns a function that begins; `onError` is called once for each row of failures
 */
export function createBeats({ database, registry, ownRegion }: Dependencies) {
  return (onError: (error: TenantSecretsError) => void): RunningBeats => {
    const stopping = new AbortController();
    const run = async (): Promise<void> => {
      let isFailing = false;
      while (!stopping.signal.aborted) {
        try {
          if ((await registry.list()).length > 0)
            await database.acrossCompanies((statements) =>
              statements.execute(sql`select beat_regions(${ownRegion})`),
            );
          isFailing = false;
        } catch (error) {
          if (!isFailing) onError(asTenantSecretsError(error));
          isFailing = true;
        }
        await sleep(beatMs, undefined, { signal: stopping.signal }).catch(() => {});
      }
    };
    const running = run();
    return {
      stop: async () => {
        stopping.abort();
        await running;
      },
    };
  };
}
