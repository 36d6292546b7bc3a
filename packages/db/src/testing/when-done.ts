import { onTestFinished, TestRunner } from "vitest";

let ends: (() => Promise<void>)[] = [];

/**
 * Closes a fixture's resources at the end of the test that created it, or else of the file, because the process runs other
 * files afterwards. Replaces `afterAll`, which registers nothing inside a hook or a test.
 */
export function whenDone(end: () => Promise<void>): void {
  if (TestRunner.getCurrentTest() === undefined) ends.push(end);
  else onTestFinished(end);
}

/** For the set-up of a project, once for each file. */
export async function endAll(): Promise<void> {
  const all = ends.toReversed();
  ends = [];
  const failures: unknown[] = [];
  for (const end of all) await end().catch((error: unknown) => void failures.push(error));
  if (failures.length > 0) throw new AggregateError(failures, "Not everything that was opened has ended.");
}
