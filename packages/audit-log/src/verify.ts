import type { Across, Database } from "@repo/db";
import { isGenuine } from "./event.ts";
import {
  isRestoreMarker,
  findCheckpoint,
  selectCheckpoints,
  selectRestoreMarkers,
  type CheckpointRow,
  type Span,
} from "./batches.ts";
import { createFailovers, type Failover, failoverSentence, lostSentence } from "./failovers.ts";
import { createFindings, type Finding } from "./findings.ts";
import { checkpointHash } from "./checkpoint.ts";
import { createSequenceGaps, type MissingNumbers } from "./sequence-gaps.ts";
import { selectPrunings } from "./retention.ts";
import { checkCheckpoint, type CheckedCheckpoint, type LoggedCheckpoint } from "./verify-checkpoint.ts";
import { createEventCheck, leavesOf } from "./verify-events.ts";
import {
  createSecretChanges,
  selectStoreChanges,
  verifyHeads,
  type HeadCheckDependencies,
} from "./verify-heads.ts";
import { createRowChanges, verifyRows, type RowCheckDependencies } from "./verify-rows.ts";

export interface AuditVerification {
  readonly batches: number;
  readonly events: number;
  /** Events that are not sealed yet. */
  readonly unsealed: number;
  /** The number of rows that decide who may read. */
  readonly rows: number;
  /** The number of heads of secrets in the database. */
  readonly heads: number;
  readonly lastBatch: (LoggedCheckpoint & { readonly sealedAt: Date }) | undefined;
  /** Empty where nothing was changed. */
  readonly findings: readonly Finding[];
  /** Observations that are no findings, such as a restore. */
  readonly notices: readonly string[];
  /** Where the audit log goes on on another timeline, in order. What it lost is known from the archived checkpoints. */
  readonly failovers: readonly Failover[];
}

export interface VerifyDependencies {
  readonly database: Pick<Database, "acrossCompanies">;
  readonly loadMacKey: Parameters<typeof createEventCheck>[0]["loadMacKey"];
  readonly findRowKey: RowCheckDependencies["findRowKey"];
  readonly openCompanyKey: HeadCheckDependencies["openCompanyKey"];
  readonly publicKeysOf: Parameters<typeof checkCheckpoint>[0]["publicKeysOf"];
}

export interface VerifyOptions {
  /** The archived checkpoints. Without them a truncated or newly sealed audit log cannot be detected. */
  readonly checkpoints?: readonly LoggedCheckpoint[];
  /** How long a process may take to report unused sequence numbers, in milliseconds. Default 60,000. */
  readonly settledAfterMs?: number;
}

/** Checkpoints of one page: about 2.5 MB of leaves. */
const batchesAtOnce = 50;
/** The latest `audit.prune` event covers all before it. Earlier ones are read where it is not genuine. */
const maxPruningsRead = 1000;

/**
 * Compares the whole audit log, page by page, with its MACs, its checkpoints and the archived checkpoints. Then it compares the
 * rows that decide who may read and the heads of secrets with their MACs and with the audit log.
 */
export async function verifyAuditLog(
  { database, loadMacKey, findRowKey, openCompanyKey, publicKeysOf }: VerifyDependencies,
  { checkpoints = [], settledAfterMs = 60_000 }: VerifyOptions,
): Promise<AuditVerification> {
  const findings = createFindings();
  const numbers = createSequenceGaps();
  const notices: string[] = [];
  const found = createFailovers();
  const logged = Map.groupBy(checkpoints, ({ batch }) => batch);
  const across = database.acrossCompanies;
  const pruned = await findPruned(across, loadMacKey);
  const rowChanges = createRowChanges();
  const secretChanges = createSecretChanges(await across(selectStoreChanges));
  const check = createEventCheck({
    across,
    loadMacKey,
    findings,
    numbers,
    prunedThrough: pruned?.through ?? 0,
    onGenuine: (event) => {
      rowChanges.add(event);
      secretChanges.add(event);
      found.addEvent(event);
    },
  });

  const restoreMarkers = await across(selectRestoreMarkers);
  const restoreMarkerAfter = ({ index }: Pick<CheckpointRow, "index">) =>
    restoreMarkers.find((restoreMarker) => restoreMarker.index > index);
  /** The positions of the events of a batch. Events below the first floor were inserted later. */
  const positionsOf = (row: Pick<CheckpointRow, "index" | "floor">): Pick<Span, "floor" | "ceiling"> => ({
    floor: restoreMarkers.some(({ index }) => index <= row.index) ? row.floor : undefined,
    ceiling: restoreMarkerAfter(row)?.floor,
  });
  const readRestoreMarker = async (row: Pick<CheckpointRow, "index">): Promise<Map<string, Buffer>> => {
    const index = restoreMarkerAfter(row)?.index;
    const batch =
      index === undefined ? undefined : await across((statements) => findCheckpoint(statements, index));
    return batch === undefined ? new Map() : leavesOf(batch);
  };

  let last: CheckedCheckpoint | undefined;
  let elsewhere = await readRestoreMarker({ index: 0 });
  let batches = 0;
  for (let page: CheckpointRow[] | undefined; page === undefined || page.length === batchesAtOnce;) {
    page = await across((statements) => selectCheckpoints(statements, last?.row.index ?? 0, batchesAtOnce));
    let run: CheckpointRow[] = [];
    const checkRun = async (): Promise<void> => {
      const [first] = run;
      if (first !== undefined) await check.intervals(run, positionsOf(first), elsewhere);
      run = [];
    };
    for (const row of page) {
      const before = last;
      last = await checkCheckpoint(
        { findings, publicKeysOf, logged, onUnknown: (unknown) => found.addUnknown(unknown) },
        row,
        before,
      );
      if (before !== undefined) found.add(before, last);
      batches++;
      if (before !== undefined && isRestoreMarker(row)) {
        await checkRun();
        await check.restoreMarker(row, before.row.toXid, positionsOf(before.row));
        elsewhere = await readRestoreMarker(row);
        notices.push(
          `The database was restored on another server: batch ${before.row.index} is the last of cluster ${before.row.cluster}, and ${row.index} the first of cluster ${row.cluster}.`,
        );
        continue;
      }
      const uncovered = before?.row.floor === row.floor ? before.row.toXid : "0";
      if (uncovered !== row.fromXid) {
        await checkRun();
        // Events of a missing batch are checked against their MACs alone.
        await check.unsealed({ fromXid: uncovered, toXid: row.fromXid, ...positionsOf(row) }, elsewhere);
      }
      run.push(row);
    }
    await checkRun();
  }
  const end = last?.row ?? { index: 0, floor: 0n, toXid: "0" };
  const unsealed = await check.unsealed({ fromXid: end.toXid, toXid: undefined, ...positionsOf(end) });

  // Of those that were archived before this began: batches are sealed meanwhile.
  for (const archived of [...logged.values()].flat())
    if (archived.batch > end.index) found.addUnknown(archived);
  const { failovers, unexplained } = found.settle();
  for (const { batch } of unexplained) {
    findings.add(
      "checkpoint-unknown",
      batch > end.index
        ? `Batch ${batch}, whose checkpoint was archived, is missing: the audit log ends with batch ${end.index}.`
        : `Batch ${batch} is not the one whose checkpoint was archived.`,
    );
  }
  for (const failover of failovers) {
    for (const lost of failover.lost) findings.add("checkpoint-unknown", lostSentence(lost, failover));
    notices.push(failoverSentence(failover));
  }
  if (pruned !== undefined) {
    notices.push(
      `Retained from ${pruned.until.toISOString()}: the events of batches 1 to ${pruned.through} were removed for their age. Their signed batches stay, and were checked.`,
    );
  }
  const losses = failovers
    .filter(({ acknowledged }) => acknowledged.length > 0)
    .map(({ after, sealedAt }) => ({ fromMs: after.sealedAt.getTime(), toMs: sealedAt.getTime() }));
  for (const missing of numbers.findMissing(settledAfterMs, pruned?.until.getTime(), losses)) {
    if (missing.lost) notices.push(sentenceOf(missing));
    else if (missing.outlived) findings.add("sequence-numbers-missing", sentenceOf(missing), missing.count);
    else notices.push(sentenceOf(missing));
  }
  // After the events, so that a concurrent change has a later revision than its latest event here.
  const rows = await verifyRows({ across, findRowKey, findings }, rowChanges);
  const secrets = await verifyHeads({ across, openCompanyKey, findings }, secretChanges);
  return {
    batches,
    rows,
    heads: secrets,
    events: check.count(),
    unsealed,
    lastBatch:
      last === undefined
        ? undefined
        : {
            batch: last.row.index,
            checkpoint: checkpointHash(last.row.checkpoint).toString("hex"),
            sealedAt: last.row.sealedAt,
          },
    findings: findings.list(),
    notices,
    failovers,
  };
}

/** The last pruned batch, by the latest genuine `audit.prune` event. */
async function findPruned(
  across: Across,
  loadMacKey: VerifyDependencies["loadMacKey"],
): Promise<{ readonly through: number; readonly until: Date } | undefined> {
  for (const event of await across((statements) => selectPrunings(statements, maxPruningsRead))) {
    const key = await loadMacKey(event.macKeyVersion);
    if (event.version === null || key === undefined || !isGenuine(key, event)) continue;
    const { version } = event;
    const batch = await across((statements) => findCheckpoint(statements, version));
    if (batch !== undefined) return { through: version, until: batch.sealedAt };
  }
  return undefined;
}

function sentenceOf({ writerId, first, count, outlived, lost }: MissingNumbers): string {
  const which = count === 1 ? `Event ${first}` : `Events ${first} to ${first + count - 1}`;
  const fate = lost
    ? "missing around an acknowledged failover: lost with it, or not written"
    : outlived
      ? "missing: removed, because the process would have said that it did not use the number"
      : "missing at its end: under way, or not written because the process was killed, or removed before being sealed";
  return `${which} of the process ${writerId} ${count === 1 ? "is" : "are"} ${fate}.`;
}
