import type { MigrationRequest } from "@repo/catalog";
import { MigrationEnd } from "../failure.ts";
import { listenForInterruption } from "../interruption.ts";
import { print, printJson, remark } from "../output.ts";
import { progressText } from "../run-progress.ts";
import { type MigrationDoor, type MigrationPage, type RunNow, withMigrations } from "./door.ts";
import { migrationExitCodes } from "./exit-codes.ts";
import { createResults } from "./results.ts";
import { expectationOf } from "./words.ts";

export interface Migration {
  readonly request: MigrationRequest;
  readonly json: boolean;
  /** The command that comes next when all companies are done, without "pnpm secrets". */
  readonly next: string | undefined;
}

/** How often the progress is said and finished companies are printed. */
const everyMs = 5000;

/**
 * Begins a migration, follows it to its end, and prints each company, what the findings mean, and a summary.
 *
 * @throws {MigrationEnd} unless all companies are done; {@link UsageError}; {@link TenantSecretsError}
 */
export function migrate(migration: Migration): Promise<void> {
  return withMigrations((door) => runThrough(door, migration));
}

async function runThrough(door: MigrationDoor, { request, json, next }: Migration): Promise<void> {
  using interruption = listenForInterruption(door.interruption);
  const { run, total } = await door.begin(request);
  const { calls, seconds, text } = expectationOf(request, total);
  if (json) {
    printJson({ event: "begun", run, verb: request.verb, companies: total, calls, seconds });
  } else remark(`Run ${run}, ${request.verb}: ${text}.`);
  const results = createResults((query) => door.companies({ run, ...query }), { json });
  let saidAt = performance.now();
  const now = await door.follow(run, {
    signal: interruption.signal,
    onProgress: async (progress) => {
      if (performance.now() - saidAt < everyMs) return;
      saidAt = performance.now();
      await results.printFinished();
      remark(`${request.verb}${progressText(progress)}`);
    },
  });
  const page = await results.printRest();
  const { done, blocked, failed, waiting } = page.counts;
  if (json) {
    const { foldersWithoutCompany } = page;
    printJson({ event: "summary", run, state: now.state, ...page.counts, foldersWithoutCompany });
  } else {
    const open = waiting > 0 ? `, ${waiting} waiting` : "";
    print(`${done} done, ${blocked} blocked, ${failed} failed${open}.`);
    if (now.state === "done") print(`The signed report: pnpm secrets migrate report ${run}`);
    if (now.state === "done" && blocked + failed === 0 && next !== undefined)
      print(`Next: pnpm secrets ${next}`);
  }
  const end = endOf(now, page, door.goesOn(run));
  if (end !== undefined) throw end;
}

/** @returns undefined where everything is done */
function endOf(
  { state, error }: RunNow,
  { counts }: MigrationPage,
  goesOn: string,
): MigrationEnd | undefined {
  if (state !== "done") {
    const because = error === undefined ? "" : ` ${error.code}: ${error.message}`;
    const message =
      state === "cancelled"
        ? `The run was cancelled. What was done stays.`
        : `The run is not finished.${because} What was done stays: ${goesOn}`;
    const exitCode = state === "cancelled" ? migrationExitCodes.failed : migrationExitCodes.interrupted;
    return new MigrationEnd({ code: "INTERRUPTED", message, exitCode });
  }
  const { failed, blocked } = counts;
  if (failed > 0) {
    const message = `${failed} of the companies failed. They are as they were before.`;
    return new MigrationEnd({ code: "INCOMPLETE", message, exitCode: migrationExitCodes.failed });
  }
  if (blocked === 0) return undefined;
  const message = `Findings or differences at ${blocked} of the companies. docs/migration.md says what to do about each.`;
  return new MigrationEnd({ code: "FINDINGS", message, exitCode: migrationExitCodes.findings });
}
