import type { RunDescription } from "@repo/tenant-secrets/operator";
import { withApi } from "../api.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../failure.ts";
import { minute, print, printJson, table } from "../output.ts";
import { progressText } from "../run-progress.ts";

const credential = "TENANT_SECRETS_OPERATOR_TOKEN";

export const listCommand = defineCommand({
  positionals: [],
  options: {
    company: { type: "string", value: "subdomain", help: "Those of this company alone" },
    kind: { type: "string", value: "kind", help: "Those of this kind, such as migrate" },
    unfinished: { type: "boolean", help: "Those that are neither done nor cancelled" },
    recent: { type: "boolean", help: "Those that are unfinished or ended within seven days" },
    limit: { type: "string", value: "number", help: "How many, 1 to 200; 50 unless given" },
    before: { type: "string", value: "id", help: "Those that began before this run" },
  },
  details: `Shows rotations of keys and other long work, the newest first: what it is about, its phase, how much of it is done, and
whether a process is at it. For operators.`,
  examples: [
    "runs list --unfinished",
    "runs list --company acmecorp --recent",
    "runs list --limit 10 --json",
  ],
  run: async ({ company, kind, unfinished, recent, before, limit: given, json }) => {
    const limit = given === undefined ? {} : { limit: Number(given) };
    if (given !== undefined && !/^[1-9]\d{0,2}$/.test(given))
      throw new UsageError("--limit is a number, 1 to 200.");
    const { runs } = await withApi(credential, (api) =>
      api.runs.list.query({ company, kind, unfinished, recent, before, ...limit }),
    );
    if (json) return printJson({ runs });
    if (runs.length === 0) return print("There are none.");
    print(
      table(
        ["RUN", "KIND", "SUBJECT", "STATE", "PHASE", "BEGAN"],
        runs.map((run) => [
          run.id,
          run.kind,
          subjectOf(run),
          stateText(run),
          `${run.phase}${progressText(run)}`,
          minute(run.startedAt),
        ]),
      ),
    );
  },
});

export const showCommand = defineCommand({
  positionals: ["run"],
  options: {},
  details: 'Shows how far one run is, and what stopped it last; "runs list" shows ids. For operators.',
  examples: ["runs show 0b6c4d1e-8a52-4f0e-9d43-2f6f5a7c9e10"],
  run: async ({ run: id, json }) => {
    const run = await withApi(credential, (api) => api.runs.get.query({ run: id }));
    if (json) return printJson(run);
    show(run);
  },
});

export const pauseCommand = defineCommand({
  positionals: ["run"],
  options: {},
  details: `Stops a run between two steps. Finished steps stay, and "runs resume" continues from there. For operators.`,
  examples: ["runs pause 0b6c4d1e-8a52-4f0e-9d43-2f6f5a7c9e10"],
  run: async ({ run: id, json }) => {
    const run = await withApi(credential, (api) => api.runs.pause.mutate({ run: id }));
    if (json) return printJson(run);
    print(`Paused in the phase "${run.phase}"${progressText(run)}. "runs resume" continues it.`);
  },
});

export const resumeCommand = defineCommand({
  positionals: ["run"],
  options: {},
  details: `Resumes a run that was paused, has failed or lost its process. A server or worker drives it; a run that needs a
backup directory waits for a process that has one. For operators.`,
  examples: ["runs resume 0b6c4d1e-8a52-4f0e-9d43-2f6f5a7c9e10"],
  run: async ({ run: id, json }) => {
    const run = await withApi(credential, (api) => api.runs.resume.mutate({ run: id }));
    if (json) return printJson(run);
    print(`Resumed in the phase "${run.phase}"${progressText(run)}.`);
  },
});

export const cancelCommand = defineCommand({
  positionals: ["run"],
  options: {},
  details: `Ends a run for good, between two steps. Finished steps stay, unless runs of its kind are cleaned up. A rotation of the
master key cannot be cancelled. For operators.`,
  examples: ["runs cancel 0b6c4d1e-8a52-4f0e-9d43-2f6f5a7c9e10"],
  run: async ({ run: id, json }) => {
    const run = await withApi(credential, (api) => api.runs.cancel.mutate({ run: id }));
    if (json) return printJson(run);
    print(
      run.state === "cancelling"
        ? `Cancelled in the phase "${run.phase}". A job undoes its finished steps: "runs show" shows how far it is.`
        : `Cancelled in the phase "${run.phase}"${progressText(run)}. Finished steps stay.`,
    );
  },
});

function stateText({ state, driven, notBefore, attempts }: RunDescription): string {
  if (state !== "running") return state;
  if (driven) return "running";
  if (notBefore !== undefined) return `waiting until ${minute(notBefore)}`;
  return attempts > 0 ? `waiting, ${attempts} attempts failed` : "waiting";
}

function subjectOf({ company, subject }: RunDescription): string {
  return company?.subdomain ?? subject;
}

function show(run: RunDescription): void {
  const { id, kind, title, keyVersion, phase, requestedBy, startedAt, updatedAt, finishedAt, error } = run;
  const rows: string[][] = [
    ["Run", id],
    ["Kind", `${kind}: ${title}`],
    ["Subject", subjectOf(run)],
    ...(keyVersion === undefined ? [] : [["Key version", String(keyVersion)]]),
    ["State", stateText(run)],
    ["Phase", `${phase}${progressText(run)}`],
    ["Asked for by", `${requestedBy.kind} ${requestedBy.name ?? requestedBy.id}`],
    ["Began", minute(startedAt)],
    ["Last step", minute(updatedAt)],
    ...(finishedAt === undefined ? [] : [["Ended", minute(finishedAt)]]),
    ...(error === undefined ? [] : [["Last error", `${error.code}: ${error.message}`]]),
  ];
  const [first = [], ...others] = rows;
  print(table(first, others));
}
