import { randomUUID } from "node:crypto";
import { and, asc, eq, gt, sql } from "drizzle-orm";
import {
  listenForChanges,
  tables,
  type Change,
  type ChangeListener,
  type Database,
  type Statements,
} from "@repo/db";
import { asTenantSecretsError } from "@repo/audit-log";
import type { TenantSecretsError } from "@repo/catalog";
import type { Kept } from "../../access/retention.ts";
import type { MasterKeys } from "../master/master-keys.ts";

const { processes, masterKeys: registry } = tables;

/** Milliseconds: a process not seen for three heartbeats is considered dead. */
const heartbeatMs = 5000;
export const goneAfterSeconds = 15;

const isAlive = gt(processes.seenAt, sql`now() - make_interval(secs => ${goneAfterSeconds})`);

export interface ProcessOptions {
  readonly listenerUrl: string;
  /** A change in this or another process; `undefined` if changes may have been missed. */
  readonly onChange: (change: Change | undefined) => void;
  /** A problem for operators; the process continues with the keys that it has. */
  readonly onAlarm: (error: TenantSecretsError) => void;
  /** For how long this process is set to keep what jobs delete; undefined where nothing was set. */
  readonly retention?: Kept | undefined;
}

/** This process's membership among those that serve the same database. */
export interface ServingProcess {
  readonly id: string;
  /** Whether change notifications arrive. */
  isListening(): boolean;
  /** Reports the loaded keys at once, and loads missing ones. */
  beat(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Joins the processes that hold keys: reports the loaded versions every five seconds, follows the registry, and listens for
 * changes by other processes.
 */
export async function joinProcesses(
  database: Database,
  masterKeys: MasterKeys,
  { listenerUrl, onChange, onAlarm, retention }: ProcessOptions,
): Promise<ServingProcess> {
  const id = randomUUID();
  let alarmed: string | undefined;

  const alarm = (thrown: unknown): void => {
    const error = asTenantSecretsError(thrown);
    // One alarm per problem, not per heartbeat.
    if (alarmed !== error.message) onAlarm(error);
    alarmed = error.message;
  };

  /** Reloads the keys; if one is wrong or missing, the last good ones stay in use. */
  const follow = async (): Promise<void> => {
    try {
      await masterKeys.refresh();
      alarmed = undefined;
    } catch (error) {
      alarm(error);
    }
  };

  let left = false;
  /** The versions that the registry requires and this process lacks, and the number of heartbeats since. */
  let missingVersions = { versions: "", beats: 0 };
  const beatOnce = async (): Promise<void> => {
    if (left) return;
    try {
      const { versions } = await masterKeys.load();
      const wanted = await reportVersions(database, id, {
        region: masterKeys.region,
        masterKeyVersions: versions,
        retention,
      });
      const missing = wanted.filter((version) => !versions.includes(version)).join();
      if (missing !== missingVersions.versions) missingVersions = { versions: missing, beats: 0 };
      if (missing !== "" && isDue(missingVersions.beats++)) {
        await follow();
        await reportVersions(database, id, {
          region: masterKeys.region,
          masterKeyVersions: (await masterKeys.load()).versions,
          retention,
        });
      }
    } catch (error) {
      alarm(error);
    }
  };
  let beating = Promise.resolve();
  const beat = (): Promise<void> => (beating = beating.then(beatOnce));

  /** Removes the process from the registry, so that no rotation waits for it. No heartbeat may follow. */
  const leave = async (): Promise<void> => {
    left = true;
    await beating;
    await database
      .acrossCompanies((statements) => statements.delete(processes).where(eq(processes.id, id)))
      .catch(() => {});
  };

  await beat();
  const listener: ChangeListener = await listenForChanges({
    listenerUrl,
    onGap: () => {
      onChange(undefined);
      void follow().then(beat);
    },
    onChange: (change) => {
      onChange(change);
      if (change.subject === "master-keys") void follow().then(beat);
    },
  }).catch(async (error: unknown) => {
    await leave();
    throw error;
  });
  const beats = setInterval(() => void beat(), heartbeatMs);
  // A key replaced in Infisical directly sends no notification.
  const rereads = setInterval(() => void follow(), 300_000);

  return {
    id,
    beat,
    isListening: () => listener.isListening(),
    stop: async () => {
      clearInterval(beats);
      clearInterval(rereads);
      await listener.stop();
      await leave();
    },
  };
}

/**
 * Whether a missing key is requested at this heartbeat: at the first eight, then once a minute. A pending key is registered
 * before it is put into Infisical, and stays missing if its rotation was given up.
 */
function isDue(beats: number): boolean {
  return beats < 8 || beats % 12 === 0;
}

/** @returns the versions that the registry requires */
async function reportVersions(
  database: Database,
  id: string,
  {
    region,
    masterKeyVersions,
    retention,
  }: Pick<ProcessOptions, "retention"> & {
    readonly region: string;
    readonly masterKeyVersions: readonly number[];
  },
): Promise<number[]> {
  return database.acrossCompanies(async (statements) => {
    const versions = [...masterKeyVersions];
    await statements
      .insert(processes)
      .values({ id, region, masterKeyVersions: versions, retention })
      .onConflictDoUpdate({
        target: processes.id,
        set: { masterKeyVersions: versions, retention: retention ?? null, seenAt: sql`now()` },
      });
    const rows = await statements
      .select({ version: registry.version })
      .from(registry)
      .where(and(eq(registry.region, region), sql`${registry.status} not in ('retired', 'destroyed')`));
    return rows.map((row) => row.version);
  });
}

/** The processes that told within three heartbeats which keys they hold, of all regions; the oldest first. */
export function selectLiveProcesses(
  statements: Statements,
): Promise<{ readonly id: string; readonly startedAt: Date; readonly seenAt: Date }[]> {
  return statements
    .select({ id: processes.id, startedAt: processes.startedAt, seenAt: processes.seenAt })
    .from(processes)
    .where(isAlive)
    .orderBy(asc(processes.startedAt));
}

/** The live processes of a region that have not loaded a version yet. */
export async function processesWithout(
  database: Database,
  region: string,
  version: number,
): Promise<string[]> {
  const rows = await database.acrossCompanies((statements) =>
    statements
      .select({ id: processes.id })
      .from(processes)
      .where(
        and(
          eq(processes.region, region),
          isAlive,
          sql`not (${version} = any(${processes.masterKeyVersions}))`,
        ),
      ),
  );
  return rows.map((row) => row.id);
}
