import { randomUUID } from "node:crypto";
import { and, eq, gt, sql } from "drizzle-orm";
import { listenForChanges, tables, type Change, type ChangeListener, type Database } from "@repo/db";
import { asTenantSecretsError } from "@repo/audit-log";
import type { TenantSecretsError } from "@repo/catalog";
import type { MasterKeys } from "../master/master-keys.ts";

const { processes, masterKeys: registry } = tables;

/** A process is taken for gone when it was not seen for three heartbeats. */
const heartbeatMs = 5000;
export const goneAfterSeconds = 15;

export interface ProcessOptions {
  readonly listenerUrl: string;
  /** What changed in another process, or in this one; `undefined` where changes may have been missed. */
  readonly onChange: (change: Change | undefined) => void;
  /** Something that an operator has to look at, while the process goes on with what it has. */
  readonly onAlarm: (error: TenantSecretsError) => void;
}

/** This process among the others that serve the same database. */
export interface ServingProcess {
  readonly id: string;
  /** Whether news of changes arrive. */
  isListening(): boolean;
  /** Says at once which keys are loaded, and loads what the registry has beyond them. */
  beat(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Joins the processes that hold keys: says every five seconds which versions are loaded, follows the registry, and
 * listens for what others change.
 */
export async function joinProcesses(
  database: Database,
  masterKeys: MasterKeys,
  { listenerUrl, onChange, onAlarm }: ProcessOptions,
): Promise<ServingProcess> {
  const id = randomUUID();
  let alarmed: string | undefined;

  const alarm = (thrown: unknown): void => {
    const error = asTenantSecretsError(thrown);
    // Once for each thing that is wrong, not at every heartbeat.
    if (alarmed !== error.message) onAlarm(error);
    alarmed = error.message;
  };

  /** Reads the keys anew; a wrong or missing one leaves the last good ones in use. */
  const follow = async (): Promise<void> => {
    try {
      await masterKeys.refresh();
      alarmed = undefined;
    } catch (error) {
      alarm(error);
    }
  };

  let left = false;
  /** The versions that the registry wants loaded and this process lacks, and for how many heartbeats it has. */
  let lacked = { versions: "", beats: 0 };
  const beatOnce = async (): Promise<void> => {
    if (left) return;
    try {
      const { versions } = await masterKeys.load();
      const wanted = await say(database, id, { region: masterKeys.region, masterKeyVersions: versions });
      const missing = wanted.filter((version) => !versions.includes(version)).join();
      if (missing !== lacked.versions) lacked = { versions: missing, beats: 0 };
      if (missing !== "" && isDue(lacked.beats++)) {
        await follow();
        await say(database, id, {
          region: masterKeys.region,
          masterKeyVersions: (await masterKeys.load()).versions,
        });
      }
    } catch (error) {
      alarm(error);
    }
  };
  let beating = Promise.resolve();
  const beat = (): Promise<void> => (beating = beating.then(beatOnce));

  /** Nobody waits for a process that is not there: no heartbeat comes after this. */
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
  // A key that was exchanged in Infisical says so to nobody.
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
 * Whether keys that are lacked are asked for at a heartbeat: at the first eight, and then once a minute. A pending key is
 * registered before it is put into Infisical, and stays away where its rotation was given up.
 */
function isDue(beats: number): boolean {
  return beats < 8 || beats % 12 === 0;
}

/** @returns the versions that the registry wants loaded */
async function say(
  database: Database,
  id: string,
  { region, masterKeyVersions }: { readonly region: string; readonly masterKeyVersions: readonly number[] },
): Promise<number[]> {
  return database.acrossCompanies(async (statements) => {
    const versions = [...masterKeyVersions];
    await statements
      .insert(processes)
      .values({ id, region, masterKeyVersions: versions })
      .onConflictDoUpdate({
        target: processes.id,
        set: { masterKeyVersions: versions, seenAt: sql`now()` },
      });
    const rows = await statements
      .select({ version: registry.version })
      .from(registry)
      .where(and(eq(registry.region, region), sql`${registry.status} not in ('retired', 'destroyed')`));
    return rows.map((row) => row.version);
  });
}

/** The processes of a region that are alive and do not hold a version yet. */
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
          gt(processes.seenAt, sql`now() - make_interval(secs => ${goneAfterSeconds})`),
          sql`not (${version} = any(${processes.masterKeyVersions}))`,
        ),
      ),
  );
  return rows.map((row) => row.id);
}
