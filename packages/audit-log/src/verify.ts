import type { Database, Statements } from "@repo/db";
import { isGenuine } from "./event.ts";
import {
  closesCluster,
  findBatch,
  selectBatches,
  selectClosings,
  type BatchRow,
  type Span,
} from "./batches.ts";
import { createFindings, type Finding } from "./findings.ts";
import { headHash } from "./checkpoint.ts";
import { createNumberLedger, type MissingNumbers } from "./sequence-gaps.ts";
import { selectForgettings } from "./retention.ts";
import { checkBatch, type CheckedBatch, type LoggedHead } from "./verify-checkpoint.ts";
import { createEventCheck, leavesOf } from "./verify-events.ts";
import {
  createSecretChanges,
  selectStoreChanges,
  verifyHeads,
  type HeadCheckDependencies,
} from "./verify-heads.ts";
import { createRowChanges, verifyRows, type RowCheckDependencies } from "./verify-rows.ts";

export interface RecordVerification {
  readonly batches: number;
  readonly events: number;
  /** Of these, the ones that no batch has yet. */
  readonly unsealed: number;
  /** Rows that decide who may read. */
  readonly rows: number;
  /** Heads of secrets in the database. */
  readonly heads: number;
  readonly lastBatch: (LoggedHead & { readonly sealedAt: Date }) | undefined;
  /** Empty where everything is as it was written. */
  readonly findings: readonly Finding[];
  /** What is no finding, and good to know. */
  readonly notices: readonly string[];
}

export interface VerifyDependencies {
  readonly database: Database;
  readonly loadMacKey: Parameters<typeof createEventCheck>[0]["loadMacKey"];
  readonly findRowKey: RowCheckDependencies["findRowKey"];
  readonly openCompanyKey: HeadCheckDependencies["openCompanyKey"];
  readonly publicKeysOf: Parameters<typeof checkBatch>[0]["publicKeysOf"];
}

export interface VerifyOptions {
  /** What the log has kept. Without it nobody can tell that the end was cut off, or that all was sealed anew. */
  readonly heads?: readonly LoggedHead[];
  /** How long a process may take to say which numbers it did not use, in milliseconds. Default 60,000. */
  readonly settledAfterMs?: number;
}

const batchesAtOnce = 50;
/** The latest one says it all; others are looked at where that one is not genuine. */
const forgettingsLookedAt = 1000;

/**
 * Walks the whole record, a page at a time, and compares it with its MACs, its batches and the log; then the rows that decide
 * who may read and the heads of secrets, and compares them with their MACs and the record.
 */
export async function verifyRecord(
  { database, loadMacKey, findRowKey, openCompanyKey, publicKeysOf }: VerifyDependencies,
  { heads = [], settledAfterMs = 60_000 }: VerifyOptions,
): Promise<RecordVerification> {
  const findings = createFindings();
  const numbers = createNumberLedger();
  const notices: string[] = [];
  const logged = Map.groupBy(heads, ({ batch }) => batch);
  const across = <T>(work: (statements: Statements) => Promise<T>): Promise<T> =>
    database.acrossCompanies(work);
  const forgotten = await findForgotten(across, loadMacKey);
  const rowChanges = createRowChanges();
  const secretChanges = createSecretChanges(await across(selectStoreChanges));
  const check = createEventCheck({
    across,
    loadMacKey,
    findings,
    numbers,
    forgottenThrough: forgotten?.through ?? 0,
    onGenuine: (event) => {
      rowChanges.add(event);
      secretChanges.add(event);
    },
  });

  const closings = await across(selectClosings);
  const closingAfter = ({ no }: Pick<BatchRow, "no">) => closings.find((closing) => closing.no > no);
  /** Where the events of a batch are. Before the first floor nothing was; whatever is there was put there. */
  const positionsOf = (row: Pick<BatchRow, "no" | "floor">): Pick<Span, "floor" | "ceiling"> => ({
    floor: closings.some(({ no }) => no <= row.no) ? row.floor : undefined,
    ceiling: closingAfter(row)?.floor,
  });
  const readClosing = async (row: Pick<BatchRow, "no">): Promise<Map<string, Buffer>> => {
    const no = closingAfter(row)?.no;
    const batch = no === undefined ? undefined : await across((statements) => findBatch(statements, no));
    return batch === undefined ? new Map() : leavesOf(batch);
  };

  let last: CheckedBatch | undefined;
  let elsewhere = await readClosing({ no: 0 });
  let batches = 0;
  for (let page: BatchRow[] | undefined; page === undefined || page.length === batchesAtOnce;) {
    page = await across((statements) => selectBatches(statements, last?.row.no ?? 0, batchesAtOnce));
    let run: BatchRow[] = [];
    const checkRun = async (): Promise<void> => {
      const [first] = run;
      if (first !== undefined) await check.intervals(run, positionsOf(first), elsewhere);
      run = [];
    };
    for (const row of page) {
      const before = last;
      last = await checkBatch({ findings, publicKeysOf, logged }, row, before);
      batches++;
      if (before !== undefined && closesCluster(row)) {
        await checkRun();
        await check.closing(row, before.row.toXid, positionsOf(before.row));
        elsewhere = await readClosing(row);
        notices.push(
          `The database was restored on another server: batch ${before.row.no} is the last of cluster ${before.row.cluster}, and ${row.no} the first of cluster ${row.cluster}.`,
        );
        continue;
      }
      const uncovered = before?.row.floor === row.floor ? before.row.toXid : "0";
      if (uncovered !== row.fromXid) {
        await checkRun();
        // What belongs to a batch that is missing is held to its MAC alone.
        await check.unsealed({ fromXid: uncovered, toXid: row.fromXid, ...positionsOf(row) }, elsewhere);
      }
      run.push(row);
    }
    await checkRun();
  }
  const end = last?.row ?? { no: 0, floor: 0n, toXid: "0" };
  const unsealed = await check.unsealed({ fromXid: end.toXid, toXid: undefined, ...positionsOf(end) });

  for (const [batch, { length }] of logged) {
    if (batch <= end.no) continue;
    const sentence = `Batch ${batch}, whose head was logged when it was sealed, is not there: the record ends with batch ${end.no}.`;
    findings.add("head-unknown", sentence, length);
  }
  if (forgotten !== undefined) {
    notices.push(
      `Retained from ${forgotten.until.toISOString()}: the events of batches 1 to ${forgotten.through} were removed for their age. Their signed batches stay, and were checked.`,
    );
  }
  for (const missing of numbers.findMissing(settledAfterMs, forgotten?.until.getTime())) {
    if (missing.outlived) findings.add("numbers-missing", sentenceOf(missing), missing.count);
    else notices.push(sentenceOf(missing));
  }
  // After the events: what changes meanwhile has a later revision than the record that was read.
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
        : { batch: last.row.no, head: headHash(last.row.head).toString("hex"), sealedAt: last.row.sealedAt },
    findings: findings.list(),
    notices,
  };
}

/** Up to where the record says, by its own word, that events were removed for their age. What is not genuine says nothing. */
async function findForgotten(
  across: <T>(work: (statements: Statements) => Promise<T>) => Promise<T>,
  loadMacKey: VerifyDependencies["loadMacKey"],
): Promise<{ readonly through: number; readonly until: Date } | undefined> {
  for (const event of await across((statements) => selectForgettings(statements, forgettingsLookedAt))) {
    const key = await loadMacKey(event.macKeyNo);
    if (event.version === null || key === undefined || !isGenuine(key, event)) continue;
    const { version } = event;
    const batch = await across((statements) => findBatch(statements, version));
    if (batch !== undefined) return { through: version, until: batch.sealedAt };
  }
  return undefined;
}

function sentenceOf({ stream, first, count, outlived }: MissingNumbers): string {
  const which = count === 1 ? `Event ${first}` : `Events ${first} to ${first + count - 1}`;
  const fate = outlived
    ? "missing: removed, because the process would have said that it did not use the number"
    : "missing at its end: under way, or not written because the process was killed, or removed before being sealed";
  return `${which} of the process ${stream} ${count === 1 ? "is" : "are"} ${fate}.`;
}
