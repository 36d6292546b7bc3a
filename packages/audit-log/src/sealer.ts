import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import { z } from "zod";
import { TenantSecretsError } from "@repo/catalog";
import { asTenantSecretsError } from "./database-errors.ts";
import { merkleRoot } from "./merkle.ts";
import type { SigningKey } from "./keys.ts";
import { findCheckpoint, findLastCheckpoint, type CheckpointRow } from "./batches.ts";
import { parseCheckpoint, checkpointHash, checkpointText, signCheckpoint } from "./checkpoint.ts";
import { signTimeline } from "./timeline.ts";
import { leafOf, packLeaves } from "./leaf.ts";
import { addToSummaries } from "./summary.ts";
import {
  findWaiting,
  readRestorePoint,
  readHorizon,
  readInterval,
  selectUnsealed,
  type Content,
  type Restored,
} from "./sealing-window.ts";

const { auditCheckpoints } = tables;

export interface SealedBatch {
  readonly batch: number;
  readonly events: number;
  /** SHA-256 of the checkpoint, in hexadecimal, to be archived outside the database. */
  readonly checkpoint: string;
  /** The timeline of the server. */
  readonly timeline: number;
  /** Whether more events can be sealed at once. */
  readonly full: boolean;
}

export const sealerAlarms = [
  "AUDIT_CHANGED",
  "AUDIT_RESTORED",
  "AUDIT_FAILED_OVER",
  "AUDIT_LAGS",
  "AUDIT_NOT_SEALED",
] as const;

/** A condition that an operator has to look at. */
export interface SealerAlarm {
  readonly code: (typeof sealerAlarms)[number];
  readonly message: string;
  readonly diagnosis?: string | undefined;
}

export interface SealerOptions {
  readonly onSealed: (batch: SealedBatch) => void;
  /** Called once when a condition begins, and again when it begins again. */
  readonly onAlarm: (alarm: SealerAlarm) => void;
  /** Milliseconds between two batches. Default 1,000. */
  readonly intervalMs?: number;
  /** How long an event may wait to be sealed before AUDIT_LAGS, in milliseconds. Default 30,000. */
  readonly lagAfterMs?: number;
  /** How long no batch is sealed while there are no events, in milliseconds. Default 60,000. */
  readonly heartbeatMs?: number;
  /** Events of a batch. A larger transaction is a batch of its own, because it is never split. Default 1,000. */
  readonly batchSize?: number;
}

export interface Sealer {
  /**
   * Seals the next batch, unless another process holds the lock or there is nothing to seal.
   *
   * @throws {TenantSecretsError} what the database or the signing key causes; INTEGRITY_FAILURE where the last batch cannot
   *   be continued
   */
  tick(): Promise<SealedBatch | undefined>;
  /** Seals at intervals until it is stopped. Errors become alarms. */
  run(): RunningSealer;
}

export interface RunningSealer {
  /** Seals once more, and ends. */
  stop(): Promise<void>;
}

interface Dependencies {
  readonly database: Database;
  readonly loadSigningKey: () => Promise<SigningKey>;
}

/** The advisory lock of sealers. The number is arbitrary, and used for no other lock of this database. */
const sealerLock = 7_274_010;

/**
 * Seals the audit log in batches. A batch is a Merkle tree over the events of an interval of transactions, with a signed
 * checkpoint that names the checkpoint before. Every process may run a sealer; one works at a time, and none blocks a writer.
 */
export function createSealer({ database, loadSigningKey }: Dependencies, options: SealerOptions): Sealer {
  const { intervalMs = 1000, lagAfterMs = 30_000, heartbeatMs = 60_000, batchSize = 1000 } = options;
  let key: SigningKey | undefined;
  let seen: Seen | undefined;
  let restored: Restored | undefined;
  let waiting: { readonly xid: bigint; readonly sinceMs: number } | undefined;
  const alarmed = new Set<SealerAlarm["code"]>();

  const alarm = (code: SealerAlarm["code"], message: string, diagnosis?: string): void => {
    if (alarmed.has(code)) return;
    alarmed.add(code);
    options.onAlarm({ code, message, diagnosis });
  };

  /**
   * Alarms where the last checkpoint that this process saw was changed or removed, and where the server's timeline is another
   * one than that of the last checkpoint.
   *
   * @returns whether it is: the next checkpoint says so
   */
  const compare = async (
    statements: Statements,
    last: CheckpointRow | undefined,
    current: { readonly cluster: string; readonly timeline: number },
  ): Promise<boolean> => {
    const known = last?.timeline ?? undefined;
    const failedOver = last?.cluster === current.cluster && known !== undefined && known < current.timeline;
    let isLost = false;
    if (seen !== undefined) {
      const row = last?.index === seen.batch ? last : await findCheckpoint(statements, seen.batch);
      const isThere = row !== undefined && hexHash(row.checkpoint) === seen.checkpoint;
      isLost = !isThere && seen.timeline !== undefined && seen.timeline < current.timeline;
      if (!isThere && !isLost) {
        alarmed.delete("AUDIT_CHANGED");
        alarm(
          "AUDIT_CHANGED",
          `batch ${seen.batch} of the audit log was ${row === undefined ? "removed" : "changed"} in the database after it was sealed: keep this log, and run "audit verify" with its checkpoints`,
        );
      }
    }
    if (failedOver || isLost) {
      const lost =
        isLost && seen !== undefined ? `, and batch ${seen.batch}, which this process has seen, is lost` : "";
      alarm(
        "AUDIT_FAILED_OVER",
        `the database was failed over or restored to an earlier time: it is on timeline ${current.timeline}${failedOver ? `, and batch ${last.index}, the last of the audit log, is of timeline ${known}` : ""}${lost}. Keep this log, and run "audit acknowledge-failover" with its checkpoints`,
      );
    } else alarmed.delete("AUDIT_FAILED_OVER");
    seen =
      last === undefined
        ? undefined
        : { batch: last.index, checkpoint: hexHash(last.checkpoint), timeline: known };
    return failedOver;
  };

  /** Alarms where an event stays unsealed although the interval should have reached it. */
  const watchLag = (first: bigint | undefined, to: bigint): void => {
    if (first === undefined) {
      waiting = undefined;
      alarmed.delete("AUDIT_LAGS");
      return;
    }
    if (waiting === undefined || to > waiting.xid) waiting = { xid: first, sinceMs: performance.now() };
    else if (performance.now() - waiting.sinceMs > lagAfterMs) {
      alarm(
        "AUDIT_LAGS",
        `events of the audit log have been waiting for more than ${lagAfterMs / 1000} s to be sealed: a transaction that began before them has not ended (see backend_xid and xact_start in pg_stat_activity, and pg_prepared_xacts)`,
      );
    }
  };

  /** Decides on the next batch in the transaction that adds it. Awaits nothing but its statements. */
  const seal = async (statements: Statements, signingKey: SigningKey): Promise<SealedBatch | undefined> => {
    const { held, keyVersion, ...server } = await begin(statements);
    const { cluster } = server;
    if (!held) return undefined;
    if (keyVersion !== signingKey.keyVersion) {
      key = undefined;
      return undefined;
    }
    const last = await findLastCheckpoint(statements);
    const failedOver = await compare(statements, last, server);
    const next = (content: Content): Promise<SealedBatch> =>
      addBatch(statements, { key: signingKey, ...server, last }, content);
    const foreign = last !== undefined && last.cluster !== cluster;
    if (foreign) {
      alarm(
        "AUDIT_RESTORED",
        `this database was restored from another server: its audit log was sealed up to batch ${last.index} there, and is sealed on here`,
      );
      restored ??= await readRestorePoint(statements);
      const { horizon } = await readHorizon(statements);
      if (horizon < restored.xid) {
        watchLag(horizon, 0n);
        return undefined;
      }
      const { floor } = restored;
      restored = undefined;
      const events = await selectUnsealed(statements, last.floor, floor);
      return next({ fromXid: 0n, toXid: 0n, floor, events, full: true });
    }
    restored = undefined;
    const fromXid = BigInt(last?.toXid ?? 0);
    const floor = last?.floor ?? 0n;
    // Every transaction below the horizon has ended, and later statements see what it committed.
    const { horizon } = await readHorizon(statements);
    const content = await readInterval(statements, fromXid, { horizon, floor, limit: batchSize });
    if (!content.full) watchLag(await findWaiting(statements, content.toXid, floor), content.toXid);
    const idle = last !== undefined && Date.now() - last.sealedAt.getTime() < heartbeatMs;
    if (content.toXid < fromXid || (content.events.length === 0 && idle && !failedOver)) return undefined;
    return next(content);
  };

  const tick = async (): Promise<SealedBatch | undefined> => {
    const signingKey = (key ??= await loadSigningKey());
    let sealed: SealedBatch | undefined;
    try {
      sealed = await database.acrossCompanies((statements) => seal(statements, signingKey));
    } catch (error) {
      throw asTenantSecretsError(error);
    }
    if (sealed === undefined) return undefined;
    seen = sealed;
    options.onSealed(sealed);
    return sealed;
  };

  const tickOrAlarm = async (): Promise<SealedBatch | undefined> => {
    try {
      const sealed = await tick();
      alarmed.delete("AUDIT_NOT_SEALED");
      return sealed;
    } catch (thrown) {
      const error = asTenantSecretsError(thrown);
      alarm(
        "AUDIT_NOT_SEALED",
        `the audit log cannot be sealed: ${error.message}`,
        error.diagnosis ?? error.code,
      );
      return undefined;
    }
  };

  return {
    tick,
    run: () => {
      const stopping = new AbortController();
      const { signal } = stopping;
      const running = (async () => {
        while (!signal.aborted) {
          const sealed = await tickOrAlarm();
          if (sealed?.full !== true) await sleep(intervalMs, undefined, { signal }).catch(() => {});
        }
      })();
      return {
        stop: async () => {
          stopping.abort();
          await running;
          await tickOrAlarm();
        },
      };
    },
  };
}

/** A checkpoint that this process has seen. */
interface Seen extends Pick<SealedBatch, "batch" | "checkpoint"> {
  readonly timeline: number | undefined;
}

const Begun = z.tuple([
  z
    .object({
      held: z.boolean(),
      keyVersion: z.int().nullable(),
      cluster: z.string(),
      /** The name of the current WAL file, whose first eight hexadecimal digits are the timeline, at once after a promotion. */
      file: z.string().regex(/^[0-9A-F]{24}$/),
    })
    .transform(({ file, ...begun }) => ({ ...begun, timeline: Number.parseInt(file.slice(0, 8), 16) }))
    .readonly(),
]);

async function begin(statements: Statements): Promise<z.infer<typeof Begun>[0]> {
  const rows = await statements.execute(sql`
    select pg_try_advisory_xact_lock(${sealerLock}) as held,
      (select key_version from audit_keys where purpose = 'signing' and status = 'active') as "keyVersion",
      (select system_identifier::text from pg_catalog.pg_control_system()) as cluster,
      pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) as file`);
  return Begun.parse([...rows])[0];
}

async function addBatch(
  statements: Statements,
  {
    key,
    cluster,
    timeline,
    last,
  }: {
    readonly key: SigningKey;
    readonly cluster: string;
    readonly timeline: number;
    readonly last: CheckpointRow | undefined;
  },
  { fromXid, toXid, floor, events, full }: Content,
): Promise<SealedBatch> {
  const before = last === undefined ? undefined : parseCheckpoint(last.checkpoint);
  if (last !== undefined && before?.batch !== last.index) {
    throw new TenantSecretsError(
      "INTEGRITY_FAILURE",
      `Batch ${last.index} of the audit log was changed in the database, and cannot be continued.`,
    );
  }
  const index = (last?.index ?? 0) + 1;
  const leaves = events.map((event) => ({ id: event.id, hash: leafOf(event) }));
  const sealedAt = new Date();
  const checkpoint = checkpointText({
    cluster,
    batch: index,
    size: leaves.length,
    total: (before?.total ?? 0) + leaves.length,
    from: String(fromXid),
    to: String(toXid),
    floor,
    root: merkleRoot(leaves.map(({ hash }) => hash)),
    previous: last === undefined ? undefined : checkpointHash(last.checkpoint),
    key: key.keyVersion,
    sealedAt,
  });
  await statements.insert(auditCheckpoints).values({
    index,
    cluster,
    floor,
    fromXid: String(fromXid),
    toXid: String(toXid),
    size: leaves.length,
    leaves: packLeaves(leaves),
    checkpoint,
    signature: signCheckpoint(checkpoint, key),
    ...signTimeline(checkpoint, timeline, key),
    sealedAt,
  });
  await addToSummaries(statements, events);
  return { batch: index, events: leaves.length, checkpoint: hexHash(checkpoint), timeline, full };
}

function hexHash(checkpoint: string): string {
  return checkpointHash(checkpoint).toString("hex");
}
