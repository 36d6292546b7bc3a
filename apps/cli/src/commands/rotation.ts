import { parseJson, type RotationPolicyDescription, rotationOperations } from "@repo/catalog";
import { withApi } from "../api.ts";
import { confirm, secondsOf } from "../arguments.ts";
import { defineCommand, fieldOption } from "../command.ts";
import { UsageError } from "../failure.ts";
import { minute, print, printJson, remark, table } from "../output.ts";
import { canaryOf, canaryOptions } from "../rotation-canary.ts";
import { inScheduleOptions, scheduleOf, scheduleOptions, scheduleText } from "../rotation-schedule.ts";
import { outcomeText } from "../rotation-text.ts";
import { company } from "./common-options.ts";

const credential = "TENANT_SECRETS_OPERATOR_TOKEN";
const policy = rotationOperations.setPolicy.input.shape;

export const showCommand = defineCommand({
  positionals: [],
  options: { company },
  details: `Shows the policy of each secret that is rotated: its driver, its schedule, when it is due next, its state with the reason,
and its last run. With --json also the drivers of this deployment. For operators.`,
  examples: ["rotation show --company acmecorp", "rotation show --company acmecorp --json"],
  run: async ({ company: subdomain, json }) => {
    const list = await withApi(credential, (api) => api.rotation.policies.query({ company: subdomain }));
    if (json) return printJson(list);
    if (list.policies.length === 0) return print('There is none: "rotation set" makes one.');
    print(
      table(
        ["SECRET", "DRIVER", "SCHEDULE", "NEXT DUE", "STATE", "LAST RUN"],
        list.policies.map((each) => [
          each.secretKey,
          each.driver,
          each.schedule === undefined ? "" : scheduleText(each.schedule),
          each.nextDueAt === undefined ? "" : minute(each.nextDueAt),
          stateText(each),
          each.lastRun === undefined ? "" : `${outcomeText(each.lastRun)} ${each.lastRun.id}`,
        ]),
      ),
    );
    for (const { secretKey, orphans } of list.policies)
      if (orphans.length > 0)
        remark(`Credentials of ${secretKey} may be left at its provider: ${orphans.join(", ")}.`);
  },
});

export const setCommand = defineCommand({
  positionals: ["secretKey"],
  options: {
    company,
    driver: fieldOption(policy.driver, { type: "string", value: "driver" }),
    ...scheduleOptions,
    overlap: fieldOption(policy.overlapSeconds, {
      type: "string",
      field: "overlapSeconds",
      value: "duration",
    }),
    ...canaryOptions,
    manager: fieldOption(policy.manager, { type: "string", value: "secretKey" }),
    settings: fieldOption(policy.settings, { type: "string", value: "json" }),
  },
  details: `Makes the policy, or replaces all of it. Of several times the first one counts; without any, the secret is rotated when
"rotation now" asks for it. --at, --cron and --window need --zone. Not on Infisical. For operators.`,
  examples: [
    "rotation set WEBHOOK_SIGNING_SECRET --company acmecorp --driver generated --every P30D --at 03:00 --zone Europe/Berlin",
    'rotation set SENDGRID_API_KEY --company acmecorp --driver sendgrid --cron "0 3 1 * *" --zone Europe/Berlin --overlap 24h',
    "rotation set SENDGRID_API_KEY --company acmecorp --every P30D --canary 10% --canary-for 10m",
  ],
  run: async (values) => {
    const { secretKey, company: subdomain, driver, overlap, manager, settings, json } = values;
    const schedule = scheduleOf(values);
    const canary = canaryOf(values);
    if (settings !== undefined && !isObject(parseJson(settings)))
      throw new UsageError('--settings is a JSON object: {"length":32}.');
    const set = await withApi(credential, (api) =>
      api.rotation.setPolicy.mutate({
        company: subdomain,
        secretKey,
        driver,
        settings,
        schedule,
        manager,
        ...(overlap !== undefined && { overlapSeconds: secondsOf("overlap", overlap) }),
        canary,
      }),
    ).catch(async (error: unknown) => {
      throw await inScheduleOptions(error);
    });
    if (json) return printJson(set);
    print(`${secretKey} of ${subdomain} is rotated by the driver ${set.driver}. ${dueText(set)}`);
    if (set.warning !== undefined) remark(set.warning);
  },
});

export const removeCommand = defineCommand({
  positionals: ["secretKey"],
  options: { company, yes: { type: "boolean", help: "Do not ask" } },
  details: `Removes the policy of a secret. The secret keeps its value. A policy whose rotation is under way stays: wait for it, or end
it with "rotation abort". For operators.`,
  examples: ["rotation remove SENDGRID_API_KEY --company acmecorp --yes"],
  run: async ({ secretKey, company: subdomain, yes, json }) => {
    await confirm(`Remove the rotation policy of ${secretKey} of ${subdomain}?`, yes);
    await withApi(credential, (api) => api.rotation.removePolicy.mutate({ company: subdomain, secretKey }));
    if (json) printJson({ company: subdomain, secretKey, removed: true });
    else print(`${secretKey} of ${subdomain} is rotated no more.`);
  },
});

export const pauseCommand = defineCommand({
  positionals: ["secretKey"],
  options: { company },
  details: `Nothing is due by time until the policy is resumed. A rotation that is under way goes on, and "rotation now" still works.
For operators.`,
  examples: ["rotation pause SENDGRID_API_KEY --company acmecorp"],
  run: async ({ secretKey, company: subdomain, json }) => {
    const paused = await withApi(credential, (api) =>
      api.rotation.pause.mutate({ company: subdomain, secretKey }),
    );
    if (json) return printJson(paused);
    print('Paused. "rotation resume" continues its schedule.');
  },
});

export const resumeCommand = defineCommand({
  positionals: ["secretKey"],
  options: { company },
  details: `Continues the schedule of a policy that is paused or stuck. What comes next is counted from now. For operators.`,
  examples: ["rotation resume SENDGRID_API_KEY --company acmecorp"],
  run: async ({ secretKey, company: subdomain, json }) => {
    const resumed = await withApi(credential, (api) =>
      api.rotation.resume.mutate({ company: subdomain, secretKey }),
    );
    if (json) return printJson(resumed);
    print(`Resumed. ${dueText(resumed)}`);
  },
});

function stateText({ state, reason }: RotationPolicyDescription): string {
  return reason === undefined || (state === "paused" && reason === "PAUSED") ? state : `${state}: ${reason}`;
}

function dueText({ nextDueAt }: RotationPolicyDescription): string {
  return nextDueAt === undefined ? "Nothing is due by time." : `It is due next at ${minute(nextDueAt)}.`;
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
