import type { Failover } from "@repo/audit-log";
import { confirmTyped } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { asOperator, rejectApiUrl } from "../in-process.ts";
import { print, printJson, remark } from "../output.ts";
import { type ArchivedCheckpoint, readCheckpoints } from "./audit-verify.ts";

export const acknowledgeCommand = defineCommand({
  positionals: [],
  options: {
    checkpoints: {
      type: "string",
      required: true,
      value: "file",
      help: 'Lines of the API\'s log from before and after the failover, of which those are used that say "checkpoint signed"',
    },
    yes: { type: "boolean", help: "Do not ask; needs --confirm" },
    confirm: {
      type: "string",
      value: "number",
      help: "With --yes: how many checkpoints were lost, as this command lists them",
    },
  },
  details: `After a failover to a standby that lacked the last transactions, or a restore to a point in time. Verifies the whole log,
lists which archived checkpoints the database has lost, and records that an operator acknowledges exactly these. From then
on "audit verify" reports them as a notice. Who did what in the lost events cannot be known: their content was in the
database alone. Refuses where the signed checkpoints show no change of the timeline: what is missing then was removed.
Works on the database itself and not through an API. For operators. docs/audit-log.md says what this shows and what it
cannot.`,
  examples: [
    "audit acknowledge-failover --checkpoints api.log",
    "audit acknowledge-failover --checkpoints api.log --yes --confirm 4",
  ],
  run: async ({ checkpoints: file, yes, confirm, json }) => {
    rejectApiUrl("A failover is not acknowledged");
    const checkpoints = await readCheckpoints(file);
    const times = new Map(checkpoints.map(({ checkpoint, time }) => [checkpoint, time]));
    let refused: unknown;
    const acknowledged = await asOperator(({ audit }, caller) =>
      audit.acknowledgeFailover(caller, {
        checkpoints,
        confirm: async (failovers) => {
          for (const failover of failovers) remark(textOf(failover, times));
          const lost = failovers.reduce((sum, each) => sum + each.lost.length, 0);
          try {
            await confirmTyped({
              question: `Type the number of lost checkpoints, ${lost}, to acknowledge their loss`,
              expected: String(lost),
              yes,
              typed: confirm,
              option: "confirm",
            });
            return true;
          } catch (error) {
            refused = error;
            return false;
          }
        },
      }),
    );
    if (refused !== undefined) throw refused;
    if (json) printJson(acknowledged);
    else print('The loss is acknowledged, and recorded. "audit verify" reports it as a notice.');
  },
});

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** What a failover lost, with the times of the log lines. */
function textOf(
  { after, timelines, sealedAt, lost }: Failover,
  times: ReadonlyMap<string, ArchivedCheckpoint["time"]>,
): string {
  const [before, now] = timelines;
  const place = `Batch ${after.batch} of ${after.sealedAt.toISOString()} (${after.checkpoint}) is the last of timeline ${before}; timeline ${now} begins with the batch of ${sealedAt.toISOString()}.`;
  const [first, last] = [lost.at(0), lost.at(-1)];
  if (first === undefined || last === undefined)
    return `${place}\nNo archived checkpoint was lost. Events that were not sealed yet may be.`;
  const events = lost.reduce((sum, each) => sum + (each.events ?? 0), 0);
  const until = times.get(last.checkpoint);
  return `${place}\nLost: ${counted(lost.length, "checkpoint")}, from batch ${first.batch} to ${last.batch}, with ${counted(events, "event")}, sealed from ${after.sealedAt.toISOString()} to ${until ?? "an unknown time"}. Whose events they were cannot be known. Events of them that survived are sealed again.`;
}
