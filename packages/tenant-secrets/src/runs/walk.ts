import { setImmediate as nextTurn } from "node:timers/promises";
import { type ErrorCode, TenantSecretsError } from "@repo/catalog";

/** Items computed between two turns of the event loop, so that the process's other work proceeds. */
const stride = 50;

/** Work on many rows, in batches that each start after the last row of the previous one. */
export interface Walk<Row, Result> {
  /** The row to start after; undefined at the first row. */
  readonly from?: Row | undefined;
  /** The next rows in the order of their key; none at the end. */
  readonly read: (after: Row | undefined) => Promise<readonly Row[]>;
  /** The CPU-bound part. @returns undefined if the row needs no change */
  readonly each: (row: Row) => Result | undefined | Promise<Result | undefined>;
  /**
   * Writes a batch as one step of the run. Left out for batches without a result.
   *
   * @param skipped the names of the skipped rows of this batch
   */
  readonly write: (results: readonly Result[], last: Row, skipped: readonly string[]) => Promise<void>;
  /** Classifies errors that concern one row only, so that the next rows are processed, and names the row. */
  readonly skip?: { readonly codes: ReadonlySet<ErrorCode>; readonly nameOf: (row: Row) => string };
}

/**
 * Reads the next batch and writes the previous one while a batch is computed, with at most one read and one write in progress.
 * Both have settled when this ends, with or without an error.
 *
 * @returns the names of the skipped rows
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
      // Awaited later; the handler prevents an unhandled rejection until then.
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
