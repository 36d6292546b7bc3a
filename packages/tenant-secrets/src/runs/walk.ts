import { setImmediate as nextTurn } from "node:timers/promises";
import { type ErrorCode, TenantSecretsError } from "@repo/catalog";

/** How many items are computed between two turns of the event loop: what else the process does goes on meanwhile. */
const stride = 50;

/** Work on many rows, in batches that each begin after the last row of the one before. */
export interface Walk<Row, Result> {
  /** Where to begin; undefined at the first row. */
  readonly from?: Row | undefined;
  /** The rows that come next in the order of their key; none at the end. */
  readonly read: (after: Row | undefined) => Promise<readonly Row[]>;
  /** What uses the processor. @returns undefined where there is nothing to do with the row */
  readonly each: (row: Row) => Result | undefined | Promise<Result | undefined>;
  /**
   * One step of the run. Left out for batches without a result.
   *
   * @param skipped the names of the rows of this batch that were skipped
   */
  readonly write: (results: readonly Result[], last: Row, skipped: readonly string[]) => Promise<void>;
  /** What is wrong with one row alone, so that those behind it are done all the same, and how to name the row then. */
  readonly skip?: { readonly codes: ReadonlySet<ErrorCode>; readonly nameOf: (row: Row) => string };
}

/**
 * Reads the next batch and writes the last one while a batch is computed, each with one of its own kind at a time. Nothing of
 * it goes on once this has ended, with an error or without.
 *
 * @returns the names of the rows that were skipped
 */
export async function walk<Row, Result>({
  from,
  read,
  each,
  write,
  skip,
}: Walk<Row, Result>): Promise<readonly string[]> {
  const allSkipped: string[] = [];
  const compute = async (rows: readonly Row[]): Promise<{ results: Result[]; skipped: string[] }> => {
    const results: Result[] = [];
    const skipped: string[] = [];
    for (const [i, row] of rows.entries()) {
      if (i % stride === stride - 1) await nextTurn();
      try {
        const result = await each(row);
        if (result !== undefined) results.push(result);
      } catch (error) {
        if (skip === undefined || !(error instanceof TenantSecretsError) || !skip.codes.has(error.code))
          throw error;
        skipped.push(skip.nameOf(row));
      }
    }
    allSkipped.push(...skipped);
    return { results, skipped };
  };
  let reading = read(from);
  let writing = Promise.resolve();
  try {
    for (;;) {
      const rows = await reading;
      const last = rows.at(-1);
      if (last === undefined) break;
      reading = read(last);
      // Awaited in its turn: a failure before that is not an unhandled rejection.
      reading.catch(() => {});
      const { results, skipped } = await compute(rows);
      await writing;
      if (results.length === 0 && skipped.length === 0) continue;
      writing = write(results, last, skipped);
      writing.catch(() => {});
    }
    await writing;
    return allSkipped;
  } finally {
    await Promise.allSettled([reading, writing]);
  }
}
