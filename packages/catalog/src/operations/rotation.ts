import { z } from "zod";
import { RevealPurpose } from "../vocabulary/actor.ts";
import { company, maxGraceSeconds, secretKey, value, version, wholeNumber } from "./fields.ts";
import { operation, type InputOf, type OutputOf } from "./operation.ts";
import { RotationSchedule } from "./rotation-schedule.ts";
import { RotationPolicyState, RotationRunState } from "./rotation-states.ts";

/** For how long a replaced credential is accepted where nothing else is said, in seconds: a day. */
const defaultOverlapSeconds = 86_400;

/** Why a run did not rotate, or a policy does not run by itself. */
export const RotationReason = z.enum([
  "ABORTED",
  "CANARY",
  "FELL_BACK",
  "LIMIT",
  "MISCONFIGURED",
  "NOT_ACCEPTED",
  "NOT_ALLOWED",
  "NO_VALUE",
  "OVERTAKEN",
  "PAUSED",
  "PENDING_TAKEN",
  "REAUTH_REQUIRED",
  "REJECTED_VALUE",
  "STOPPED",
  "STORE",
  "UNAVAILABLE",
  "ZONE",
]);
export type RotationReason = z.infer<typeof RotationReason>;

export const RotationTrigger = z.enum(["schedule", "asked", "compromise"]);

/** With the new value begins a share of the uses before it is current, for some time. */
export const RotationCanary = z.strictObject({
  percent: wholeNumber(1, 50).describe(
    "The share of the uses that begin with the new value before it is current: 10%",
  ),
  seconds: wholeNumber(10, 86_400)
    .default(600)
    .describe("For how long they do: 10m unless given, at most 1d"),
});
export type RotationCanary = Readonly<z.infer<typeof RotationCanary>>;

/** What a run waits for, or does. */
const Phase = z.enum([
  "prepare",
  "ask",
  "create",
  "lead",
  "test",
  "canary",
  "promote",
  "watch",
  "retire",
  "confirm",
  "ask-retire",
  "give-up",
  "done",
]);

export const RotationOutcome = z.enum(["rotated", "failed", "fell-back"]);

const RotationRunDescription = z.object({
  id: z.uuid(),
  secretKey: z.string(),
  driver: z.string(),
  trigger: RotationTrigger,
  urgent: z.boolean(),
  /** `waiting`: until `notBefore`. */
  state: RotationRunState,
  phase: Phase,
  /** Left out until it is over. */
  outcome: RotationOutcome.optional(),
  reason: RotationReason.optional(),
  currentVersion: version.optional(),
  pendingVersion: version.optional(),
  /** Of a provider, in its words for people: what they do to make the next credential, and to end the old one. */
  guide: z
    .object({
      provider: z.string(),
      link: z.string().optional(),
      create: z.array(z.string()).readonly(),
      retire: z.array(z.string()).readonly(),
    })
    .optional(),
  /** Whether the old credential is not known to have ended at the provider. */
  unconfirmed: z.boolean(),
  notBefore: z.date().optional(),
  startedAt: z.date(),
  promotedAt: z.date().optional(),
  /** Until when the value before is accepted, or was. */
  previousUntil: z.date().optional(),
  finishedAt: z.date().optional(),
  /** What can be asked of it now. */
  allows: z.array(z.enum(["supply", "confirm", "abort", "fallBack"])).readonly(),
});
export type RotationRunDescription = Readonly<z.infer<typeof RotationRunDescription>>;

/** One run, with what a list of them leaves out. */
const RotationRunDetails = RotationRunDescription.extend({
  /** The phases of a run that rotates, in order; those that it may skip are among them. Empty where its driver is not there any more. */
  phases: z.array(Phase).readonly(),
  /** What it caused at the provider, or may have caused; the oldest first. */
  credentials: z
    .array(
      z.object({
        /** What it is called there. */
        marker: z.string(),
        /** The provider's id. */
        ref: z.string().optional(),
        /** `wanted`: the provider was about to be asked. `orphan`: it may be left there. */
        state: z.enum(["wanted", "live", "retiring", "retired", "orphan"]),
        version: version.optional(),
        createdAt: z.date(),
      }),
    )
    .readonly(),
});
export type RotationRunDetails = Readonly<z.infer<typeof RotationRunDetails>>;

const RotationPolicyDescription = z.object({
  secretKey: z.string(),
  driver: z.string(),
  /** A JSON object. */
  settings: z.string(),
  schedule: RotationSchedule.optional(),
  overlapSeconds: z.int(),
  canary: RotationCanary.optional(),
  manager: z.string().optional(),
  state: RotationPolicyState,
  reason: RotationReason.optional(),
  failures: z.int(),
  /** Left out where nothing is due by time. */
  nextDueAt: z.date().optional(),
  /** The last run, unfinished or not. */
  lastRun: RotationRunDescription.optional(),
  /** What to know of the driver, as a sentence. */
  warning: z.string().optional(),
  /** Credentials that may be left at the provider, by the names that they have there. */
  orphans: z.array(z.string()).readonly(),
});
export type RotationPolicyDescription = Readonly<z.infer<typeof RotationPolicyDescription>>;

const ofSecret = { company, secretKey };
const ofRun = { company, run: z.uuid() };

/** The rotation of credentials with their providers. */
export const rotationOperations = {
  policies: operation({
    kind: "query",
    verb: "describe",
    input: z.strictObject({ company }),
    output: z.object({
      policies: z.array(RotationPolicyDescription).readonly(),
      /** The drivers of this deployment, with the secrets whose catalogue entries name them. */
      drivers: z
        .array(
          z.object({
            name: z.string(),
            person: z.boolean(),
            manager: z.enum(["none", "self", "required", "optional"]),
            /** A JSON Schema (2020-12) of its settings. */
            settings: z.record(z.string(), z.unknown()),
            warning: z.string().optional(),
            secretKeys: z.array(z.string()).readonly(),
          }),
        )
        .readonly(),
    }),
  }),

  /** Makes a policy, or replaces it. */
  setPolicy: operation({
    kind: "mutation",
    verb: "rotate",
    input: z.strictObject({
      ...ofSecret,
      driver: z
        .string()
        .min(1)
        .max(100)
        .optional()
        .describe("The driver; left out: the one that the catalogue names for this secret"),
      settings: z
        .string()
        .max(4000)
        .optional()
        .describe('What the driver is told, as a JSON object: {"length":32,"alphabet":"…"}'),
      schedule: RotationSchedule.optional(),
      overlapSeconds: wholeNumber(0, maxGraceSeconds)
        .default(defaultOverlapSeconds)
        .describe("For how long the replaced value is accepted: 24h, at most 30d"),
      /** Left out: the new value is current once it is accepted. */
      canary: RotationCanary.optional(),
      manager: secretKey
        .optional()
        .describe("The secret with whose rights the provider is asked, of the same company"),
    }),
    output: RotationPolicyDescription,
  }),
  removePolicy: operation({
    kind: "mutation",
    verb: "rotate",
    input: z.strictObject(ofSecret),
    output: z.null(),
  }),
  /** Nothing is due by time until it is resumed. A run that is under way goes on. */
  pause: operation({
    kind: "mutation",
    verb: "rotate",
    input: z.strictObject(ofSecret),
    output: RotationPolicyDescription,
  }),
  resume: operation({
    kind: "mutation",
    verb: "rotate",
    input: z.strictObject(ofSecret),
    output: RotationPolicyDescription,
  }),

  /** Rotates now: the run that is under way already, or another one. An urgent rotation needs a purpose. */
  rotate: operation({
    kind: "mutation",
    verb: "rotate",
    input: z.strictObject({
      ...ofSecret,
      urgent: z
        .boolean()
        .default(false)
        .describe(
          "Without a lead, a canary or an overlap: the old credential ends as soon as the new one is current",
        ),
      purpose: RevealPurpose.optional().describe("Why, for the audit log"),
    }),
    output: z.object({ run: z.uuid() }),
  }),

  /** Rotates at once what the last emergency rotation lists of a company. Asked again, it answers with the same runs. */
  rotateCompromised: operation({
    kind: "mutation",
    verb: "rotate",
    sensitive: true,
    input: z.strictObject({
      company,
      purpose: RevealPurpose.default("incident").describe("Why, for the audit log"),
    }),
    output: z.object({
      /** When the last emergency rotation began. Left out where there was none. */
      since: z.date().optional(),
      /** `person`: it waits for a person. */
      runs: z.array(z.object({ secretKey: z.string(), run: z.uuid(), person: z.boolean() })).readonly(),
      /** Secrets that no policy rotates, and that are replaced by hand. */
      withoutPolicy: z.array(z.string()).readonly(),
      /** Secrets whose value was written since. */
      done: z.array(z.string()).readonly(),
    }),
  }),

  /** The newest first. */
  runs: operation({
    kind: "query",
    verb: "describe",
    input: z.strictObject({
      company,
      secretKey: secretKey.optional(),
      /** Those that are not over. */
      unfinished: z.boolean().optional(),
      /** Those that ended so. */
      outcome: RotationOutcome.optional(),
      /** The id of the last run of a page. */
      before: z.uuid().optional(),
      limit: z.int().min(1).max(200).default(50),
    }),
    output: z.object({ runs: z.array(RotationRunDescription).readonly() }),
  }),
  run: operation({
    kind: "query",
    verb: "describe",
    input: z.strictObject(ofRun),
    output: RotationRunDetails,
  }),

  supply: operation({
    kind: "mutation",
    verb: "write",
    forServices: {
      summary:
        "Gives a rotation the value that a person made at the provider. It is asked before anything is stored.",
      example: {
        company: "acmecorp",
        run: "0198c0de-0000-7000-8000-000000000001",
        value: "fake_supplied_0001",
      },
    },
    sensitive: true,
    input: z.strictObject({
      company,
      run: z.uuid().describe("The rotation that waits for it"),
      value,
      /** The provider could not say whether the value is of the same account, and the person has looked. */
      sameAccount: z
        .boolean()
        .default(false)
        .describe("A person has looked, and it is of the same account: where the provider could not say so"),
    }),
    output: z.object({ version }),
  }),
  /** The old credential was ended at the provider by a person. */
  confirm: operation({
    kind: "mutation",
    verb: "rotate",
    input: z.strictObject(ofRun),
    output: z.null(),
  }),
  /** A person ended a credential at the provider that no run could end: it is listed no more. Idempotent. */
  endOrphan: operation({
    kind: "mutation",
    verb: "rotate",
    input: z.strictObject({ ...ofSecret, marker: z.string().max(1000) }),
    output: z.null(),
  }),
  /** Ends a run before its value is current: the value is discarded, and its credential ended at the provider. */
  abort: operation({ kind: "mutation", verb: "rotate", input: z.strictObject(ofRun), output: z.null() }),
  /** Makes the value before the current one current again, while it is accepted. */
  fallBack: operation({ kind: "mutation", verb: "rotate", input: z.strictObject(ofRun), output: z.null() }),
};

export type RotationPolicyInput = InputOf<(typeof rotationOperations)["setPolicy"]>;
export type RotationPolicyList = Readonly<OutputOf<(typeof rotationOperations)["policies"]>>;
export type RotationRunQuery = InputOf<(typeof rotationOperations)["runs"]>;
export type RotationSupply = InputOf<(typeof rotationOperations)["supply"]>;
export type CompromisedRotationInput = InputOf<(typeof rotationOperations)["rotateCompromised"]>;
export type CompromisedRotation = Readonly<OutputOf<(typeof rotationOperations)["rotateCompromised"]>>;
