import type { ApiAnswers } from "@repo/tenant-secrets/client";
import type { Tone } from "../ui/badge.tsx";

export type RotationPolicy = ApiAnswers["rotation"]["policies"]["policies"][number];
export type RotationDriver = ApiAnswers["rotation"]["policies"]["drivers"][number];
export type RotationRun = ApiAnswers["rotation"]["runs"]["runs"][number];
export type RotationReason = NonNullable<RotationRun["reason"]>;

type Words = readonly [word: string, tone: Tone];

export const policyStates: Readonly<Record<RotationPolicy["state"], Words>> = {
  active: ["Active", "ok"],
  paused: ["Paused", "warn"],
  stuck: ["Stuck", "danger"],
};

const reasons: Readonly<Record<RotationReason, string>> = {
  ABORTED: "A person ended it.",
  CANARY: "A use with the new value was refused before it was current.",
  FELL_BACK: "The value before is current again.",
  LIMIT: "The provider allows no further credential. Delete those at the provider that are not in use.",
  MISCONFIGURED: "The settings and the provider do not fit each other. Edit the policy.",
  NOT_ACCEPTED: "The provider does not accept the new credential.",
  NOT_ALLOWED: "The provider refuses the credential that the rotation acts with, or that one lacks a right.",
  NO_VALUE: "The secret has no value.",
  OVERTAKEN: "Another value was written or staged meanwhile, and stays.",
  PAUSED: "A person paused it.",
  PENDING_TAKEN: "The secret had a pending version of another origin. Promote or discard it.",
  REAUTH_REQUIRED: "The provider refuses the refresh token. A person has to authorize again there.",
  REJECTED_VALUE: "The provider does not take the value.",
  STOPPED:
    "An error of this service stopped the run again and again, and it was given up. Once that is mended, resume the policy.",
  STORE: "The company is on Infisical, or gone.",
  UNAVAILABLE: "The provider gave no usable answer.",
  ZONE: "This deployment does not know the time zone of the schedule, or cannot read the schedule. Edit the policy.",
};

/** Why a run did not rotate, or a policy does not run by itself. */
export function wordsOfReason(reason: RotationReason): string {
  return reasons[reason];
}

const runStates: Readonly<Record<Exclude<RotationRun["state"], "done">, Words>> = {
  running: ["Running", "accent"],
  waiting: ["Waiting", "accent"],
  person: ["Needs a person", "warn"],
  paused: ["On hold", "neutral"],
  stopped: ["Stopped", "danger"],
  cancelled: ["Cancelled", "neutral"],
};

const outcomes: Readonly<Record<NonNullable<RotationRun["outcome"]>, Words>> = {
  rotated: ["Rotated", "ok"],
  failed: ["Failed", "danger"],
  "fell-back": ["Fell back", "warn"],
};

/** How a run ended; of one that is not over, what it does or waits for. */
export function stateOfRun({ state, outcome }: Pick<RotationRun, "state" | "outcome">): Words {
  if (state !== "done") return runStates[state];
  return outcome === undefined ? ["Ended", "neutral"] : outcomes[outcome];
}

export function isUnderWay({ finishedAt }: Pick<RotationRun, "finishedAt">): boolean {
  return finishedAt === undefined;
}

const triggers: Readonly<Record<RotationRun["trigger"], string>> = {
  schedule: "by its schedule",
  asked: "by a person or a program",
  compromise: "because the value was compromised",
};

/** Why a run began. */
export function beginningOf({ trigger, urgent }: Pick<RotationRun, "trigger" | "urgent">): string {
  return urgent ? `${triggers[trigger]}, urgently` : triggers[trigger];
}

const drivers: Readonly<Record<string, string>> = {
  generated: "Generated here",
  guided: "A person, step by step",
  sendgrid: "SendGrid",
  oauth2: "OAuth 2.0",
  "postgres-role": "A role of PostgreSQL",
};

/** A driver as people call it: one of this deployment alone has its name. */
export function wordsOfDriver(name: string): string {
  return Object.hasOwn(drivers, name) ? (drivers[name] ?? name) : name;
}
