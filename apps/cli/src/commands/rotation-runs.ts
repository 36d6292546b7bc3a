import { setTimeout as sleep } from "node:timers/promises";
import { RevealPurpose, rotationOperations, type RotationRunDescription } from "@repo/catalog";
import { type Api, withApi } from "../api.ts";
import { wholeNumber } from "../arguments.ts";
import { defineCommand, fieldOption } from "../command.ts";
import { IncompleteError, UsageError } from "../failure.ts";
import { minute, print, printJson, remark, table } from "../output.ts";
import { nextCommand, outcomeText, stepsOf } from "../rotation-text.ts";
import { company } from "./common-options.ts";

const credential = "TENANT_SECRETS_OPERATOR_TOKEN";
const runExample = "0198f2c4-0000-7000-8000-000000000003";

export const nowCommand = defineCommand({
  positionals: [],
  optional: "secretKey",
  options: {
    company,
    "all-compromised": {
      type: "boolean",
      help: "In place of a secret: all that the last emergency rotation lists, urgently",
    },
    purpose: {
      type: "string",
      value: "purpose",
      help: "Why, for the audit log: incident, set-up, debugging or hand-over. --urgent needs one; --all-compromised is for an incident",
    },
    urgent: fieldOption(rotationOperations.rotate.input.shape.urgent, { type: "boolean" }),
    wait: { type: "boolean", help: "Follow the run until it is over, or a person is needed" },
  },
  details: `Starts a rotation of a secret that has a policy, and prints the run's id; one that is under way is that run. A server or
worker drives it. With --wait the exit code is 0 once the secret is rotated, and 1 where the run failed, fell back, stopped or waits
for a person. A run that is not urgent lasts as long as its overlap. Stopping to wait does not stop the run. --all-compromised prints a run for each
secret that was there as the last "keys emergency-rotate" began and has a policy, and names those without one; asked again it
prints the same runs. For operators.`,
  examples: [
    "rotation now SENDGRID_API_KEY --company acmecorp",
    "rotation now WEBHOOK_SIGNING_SECRET --company acmecorp --urgent --purpose incident --wait",
    "rotation now --all-compromised --company acmecorp",
  ],
  run: async ({ secretKey, company: subdomain, urgent, wait, json, ...values }) => {
    if (values["all-compromised"]) {
      if (secretKey !== undefined || urgent || wait)
        throw new UsageError("--all-compromised takes no secret, --urgent or --wait.");
      return rotateCompromised({ company: subdomain, purpose: purposeOf(values.purpose), json });
    }
    if (secretKey === undefined) throw new UsageError("<secretKey> or --all-compromised is missing.");
    const purpose = purposeOf(values.purpose);
    if (urgent && purpose === undefined) throw new UsageError("--urgent needs a --purpose.");
    await withApi(credential, async (api) => {
      const { run } = await api.rotation.rotate.mutate({ company: subdomain, secretKey, urgent, purpose });
      if (!json) print(run);
      if (!wait) return json ? printJson({ run }) : undefined;
      const ended = await follow(api, { company: subdomain, run });
      if (json) printJson(ended);
      requireRotated(ended, subdomain);
    });
  },
});

interface Compromised {
  readonly company: string;
  readonly purpose: RevealPurpose | undefined;
  readonly json: boolean | undefined;
}

async function rotateCompromised({ company: subdomain, purpose, json }: Compromised): Promise<void> {
  const answer = await withApi(credential, (api) =>
    api.rotation.rotateCompromised.mutate({ company: subdomain, purpose }),
  );
  if (json) return printJson(answer);
  const { since, runs, withoutPolicy, done } = answer;
  if (since === undefined)
    return print('There was no emergency rotation: "keys emergency-rotate" makes the list.');
  if (runs.length > 0)
    print(
      table(
        ["RUN", "SECRET", ""],
        runs.map(({ run, secretKey, person }) => [run, secretKey, person ? "waits for a person" : ""]),
      ),
    );
  if (withoutPolicy.length > 0)
    remark(`Replace these by hand, since they have no policy: ${withoutPolicy.join(", ")}.`);
  remark(`Written since ${minute(since)}: ${done.length === 0 ? "none" : done.join(", ")}.`);
}

/** @throws {UsageError} */
function purposeOf(text: string | undefined): RevealPurpose | undefined {
  const { data, success } = RevealPurpose.optional().safeParse(text);
  if (success) return data;
  throw new UsageError(`--purpose is one of ${RevealPurpose.options.join(", ")}.`);
}

export const runsCommand = defineCommand({
  positionals: [],
  optional: "secretKey",
  options: {
    company,
    unfinished: { type: "boolean", help: "Those that are not over" },
    limit: { type: "string", value: "number", help: "How many, 1 to 200; 50 unless given" },
    before: { type: "string", value: "id", help: "Those that began before this run" },
  },
  details: "Shows the rotations of a company, or of one secret, the newest first. For operators.",
  examples: [
    "rotation runs --company acmecorp --unfinished",
    "rotation runs SENDGRID_API_KEY --company acmecorp --limit 10",
  ],
  run: async ({ secretKey, company: subdomain, unfinished, limit, before, json }) => {
    const most = wholeNumber("limit", limit);
    const { runs } = await withApi(credential, (api) =>
      api.rotation.runs.query({
        company: subdomain,
        secretKey,
        unfinished,
        before,
        ...(most !== undefined && { limit: most }),
      }),
    );
    if (json) return printJson({ runs });
    if (runs.length === 0) return print("There are none.");
    print(
      table(
        ["RUN", "SECRET", "DRIVER", "BEGUN BY", "BEGAN", "STATE"],
        runs.map((run) => [
          run.id,
          run.secretKey,
          run.driver,
          run.urgent ? `${run.trigger}, urgent` : run.trigger,
          minute(run.startedAt),
          outcomeText(run),
        ]),
      ),
    );
  },
});

export const runCommand = defineCommand({
  positionals: ["run"],
  options: { company },
  details: `Shows how far a rotation is, and what can be asked of it. Where it waits for a person, their steps at the provider follow.
For operators.`,
  examples: [`rotation run ${runExample} --company acmecorp`],
  run: async ({ run: id, company: subdomain, json }) => {
    const run = await withApi(credential, (api) => api.rotation.run.query({ company: subdomain, run: id }));
    if (json) return printJson(run);
    show(run, subdomain);
  },
});

const longestPauseMs = 30_000;
const shortestPauseMs = 1000;

/** Asks until a run is over, or goes on by no time of its own. Each change is told on standard error. */
async function follow(
  api: Api,
  name: { readonly company: string; readonly run: string },
): Promise<RotationRunDescription> {
  let told = "";
  for (;;) {
    const run = await api.rotation.run.query(name);
    const text = outcomeText(run);
    if (text !== told) remark(`${run.secretKey}: ${text}`);
    told = text;
    if (run.state !== "running" && run.state !== "waiting") return run;
    const untilDue = (run.notBefore?.getTime() ?? 0) - Date.now();
    await sleep(Math.min(longestPauseMs, Math.max(shortestPauseMs, untilDue)));
  }
}

/** @throws {IncompleteError} unless the secret was rotated */
function requireRotated(run: RotationRunDescription, subdomain: string): void {
  if (run.state === "done" && run.outcome === "rotated") return;
  if (run.state === "person")
    throw new IncompleteError(
      `The rotation waits for a person: "rotation run ${run.id} --company ${subdomain}" shows the steps.`,
    );
  throw new IncompleteError(`The secret was not rotated: the run is at "${outcomeText(run)}".`);
}

function show(run: RotationRunDescription, subdomain: string): void {
  const { currentVersion, pendingVersion, promotedAt, finishedAt, allows, guide } = run;
  const rows: string[][] = [
    ["Run", run.id],
    ["Secret", run.secretKey],
    ["Driver", run.driver],
    ["Begun by", run.urgent ? `${run.trigger}, urgent` : run.trigger],
    ["State", outcomeText(run)],
    ...(currentVersion === undefined ? [] : [["Replaces", `version ${currentVersion}`]]),
    ...(pendingVersion === undefined ? [] : [["Next", `version ${pendingVersion}`]]),
    ["Began", minute(run.startedAt)],
    ...(promotedAt === undefined ? [] : [["Current since", minute(promotedAt)]]),
    ...(finishedAt === undefined ? [] : [["Ended", minute(finishedAt)]]),
    ...(run.unconfirmed ? [["Old credential", "not known to have ended at the provider"]] : []),
    ...(allows.length === 0 ? [] : [["Allows", allows.map(commandOf).join(", ")]]),
  ];
  const [first = [], ...others] = rows;
  print(table(first, others));
  const steps = stepsOf(run);
  if (steps.length === 0) return;
  const next = nextCommand(run, subdomain);
  print(
    [
      "",
      `At ${guide?.provider ?? "the provider"}${guide?.link === undefined ? "" : `, ${guide.link}`}:`,
      ...steps.map((step, index) => `  ${index + 1}. ${step}`),
      ...(next === undefined ? [] : [`Then: ${next}`]),
    ].join("\n"),
  );
}

function commandOf(action: RotationRunDescription["allows"][number]): string {
  return action === "fallBack" ? "fall-back" : action;
}
