/** Work on a table in batches, in an order in which each begins after the last row of the one before. */
export interface BatchWork<Row, Result> {
  /** The rows that come next; none at the end. */
  readonly read: (after: Row | undefined) => Promise<readonly Row[]>;
  /** What uses the processor. It lets other work of this process have its turn. */
  readonly compute: (rows: readonly Row[]) => Promise<Result>;
  readonly write: (result: Result) => Promise<void>;
}

/**
 * Reads the next batch and writes the last one while a batch is computed, each with one of its own kind at a time. Nothing
 * of it goes on once this has ended, with an error or without.
 */
export async function inPipeline<Row, Result>({
  read,
  compute,
  write,
}: BatchWork<Row, Result>): Promise<void> {
  let reading = read(undefined);
  let writing = Promise.resolve();
  try {
    for (;;) {
      const rows = await reading;
      if (rows.length === 0) break;
      reading = read(rows.at(-1));
      // Awaited in its turn; a failure before that must not count as one that nobody looks at.
      reading.catch(() => {});
      const result = await compute(rows);
      await writing;
      writing = write(result);
      writing.catch(() => {});
    }
    await writing;
  } finally {
    await Promise.allSettled([reading, writing]);
  }
}
