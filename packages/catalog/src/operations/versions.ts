import { z } from "zod";
import { Check } from "./checks.ts";
import {
  expectedVersion,
  expiresAt,
  grace,
  madeVersion,
  note,
  pendingVersion,
  reminderDays,
  request,
  secretKey,
  version,
  wholeNumber,
} from "./fields.ts";
import { companyOperation, type InputOf, type OutputOf } from "./operation.ts";

/** What a company's store can do, known before anything is asked of it. */
export const Capabilities = z.object({
  /** `expectedVersion` makes a write or removal conditional. */
  conditionalWrites: z.boolean(),
  /** `requestId` makes a retried write apply once. */
  requestIds: z.boolean(),
  /** A removed secret can be restored for a while, and stays removed until then. */
  recovery: z.boolean(),
  /** A write can say why, for the history. */
  notes: z.boolean(),
  /** Values may begin or end with white space. */
  surroundingWhiteSpace: z.boolean(),
  /** Every version of a secret can be listed, with who made it and when. */
  history: z.boolean(),
  /** A next value can be staged before it is current, and the one before can stay active for a while. */
  stages: z.boolean(),
  /** An earlier version can be made the current one again. */
  rollback: z.boolean(),
  /** The values of a removed secret can be destroyed before its time is over. */
  purge: z.boolean(),
  /** Several secrets can be written at once, all or none. */
  bulk: z.boolean(),
  /** A secret can have a day on which it expires. */
  expiry: z.boolean(),
  /** What a provider says of a credential is stored with its version. */
  checks: z.boolean(),
  /** Credentials can be rotated with their providers. */
  rotation: z.boolean(),
});
export type Capabilities = Readonly<z.infer<typeof Capabilities>>;

/** Which versions are active: each `previous` one until its grace window ends. */
const Stage = z.enum(["current", "pending", "previous"]);
export type Stage = z.infer<typeof Stage>;

/** Who did something. */
export const NamedActor = z.object({
  kind: z.string(),
  id: z.string(),
  /** Of a person, also after they left the company, or of one of its API keys; of others, the id is all there is. */
  name: z.string().optional(),
});

const SecretVersion = z.object({
  version,
  id: z.string(),
  /** The id of the version that was current when this one was made. */
  previousVersionId: z.string().optional(),
  createdAt: z.date(),
  actor: NamedActor,
  note: z.string().optional(),
  lastFour: z.string().optional(),
  fingerprint: z.string().optional(),
  /** Undefined where it is not active. Nothing of a removed secret is. */
  stage: Stage.optional(),
  /** Until when a previous one is active. */
  activeUntil: z.date().optional(),
  /** When the credential expires at its provider, as its writer said. */
  expiresAt: z.date().optional(),
  /** Since when its value is gone for good; who made it and why stays. */
  destroyedAt: z.date().optional(),
  check: Check.optional(),
});
export type SecretVersion = Readonly<z.infer<typeof SecretVersion>>;

/** On which state of a secret a change of its pending version depends. */
const pending = {
  expectedVersion,
  /** The pending version that is meant: where another one is pending, such as one that replaced it, that is a CONFLICT. */
  pendingVersion,
};
export type PendingOptions = Readonly<z.infer<z.ZodObject<typeof pending>>>;

/** Which versions there are and which of them are active. */
export const versionOperations = {
  capabilities: companyOperation({
    kind: "query",
    verb: "describe",
    forServices: {
      summary:
        "What the company's store can do, so that a client knows beforehand what is NOT_SUPPORTED. Audited like a list.",
      example: { company: "acmecorp" },
    },
    action: "secret.list",
    input: {},
    output: Capabilities,
  }),

  history: companyOperation({
    kind: "query",
    verb: "describe",
    forServices: {
      summary: "Lists the versions of a secret, with who made them and when, never a value.",
      example: { company: "acmecorp", secretKey: "CUSTOM_TOKEN", limit: 20 },
    },
    action: "secret.history",
    input: {
      secretKey,
      /** Only versions below this one. */
      before: madeVersion.optional().describe("Only versions below this one: the next page"),
      /** At most this many, 1 to 100. Default 100. */
      limit: wholeNumber(1, 100).optional().describe("At most this many, 1 to 100; default 100"),
    },
    output: z.object({
      /** The newest first. */
      versions: z.array(SecretVersion).readonly(),
      /** What to ask for as `before` to get the next page; undefined on the last one. */
      next: version.optional(),
      /** Where the secret was removed. */
      removedAt: z.date().optional(),
      /** Until when a removed secret can be restored. */
      recoverUntil: z.date().optional(),
    }),
  }),

  promote: companyOperation({
    kind: "mutation",
    verb: "write",
    forServices: {
      summary: "Makes the pending version the current one.",
      example: { company: "acmecorp", secretKey: "CUSTOM_TOKEN", graceSeconds: 3600 },
    },
    action: "secret.promote",
    input: { secretKey, ...pending, ...grace, ...request },
    output: z.object({ version }),
  }),

  discard: companyOperation({
    kind: "mutation",
    verb: "write",
    forServices: {
      summary: "Destroys the pending version.",
      example: { company: "acmecorp", secretKey: "CUSTOM_TOKEN" },
    },
    action: "secret.discard",
    input: { secretKey, ...pending, ...request },
    output: z.object({ version }),
  }),

  rollback: companyOperation({
    kind: "mutation",
    verb: "write",
    forServices: {
      summary: "Makes the value of an earlier version the current one, as a new version.",
      example: { company: "acmecorp", secretKey: "CUSTOM_TOKEN", toVersion: 1 },
    },
    action: "secret.rollback",
    input: {
      secretKey,
      toVersion: madeVersion.describe("The version whose value is to be current"),
      expectedVersion,
      /** Without one, the history says which version it was. */
      note,
      ...request,
    },
    output: z.object({ version }),
  }),

  setExpiry: companyOperation({
    kind: "mutation",
    verb: "write",
    forServices: {
      summary: "Says when the credential ends at its provider.",
      example: {
        company: "acmecorp",
        secretKey: "CUSTOM_TOKEN",
        expiresAt: "2030-01-31T00:00:00Z",
        reminderDays: [30, 7],
      },
    },
    action: "secret.set-expiry",
    input: {
      secretKey,
      /** Of the current version. Null: does not expire. */
      expiresAt,
      /** How many days before that a reminder is audited. Default: as it was, at first 30, 7 and 1. */
      reminderDays,
      ...request,
    },
    output: z.void(),
  }),

  purge: companyOperation({
    kind: "mutation",
    verb: "delete",
    forServices: {
      summary: "Destroys the values of a removed secret before its time is over. Nothing restores them.",
      example: { company: "acmecorp", secretKey: "CUSTOM_TOKEN", force: true },
    },
    stepUp: true,
    action: "secret.purge",
    input: {
      secretKey,
      /** Takes a secret that is still there: removes it, and leaves no time to restore it. */
      force: z.boolean().optional().describe("Also a secret that is not removed: removes it"),
      ...request,
    },
    output: z.void(),
  }),
};

type Versions = typeof versionOperations;
type Options<N extends keyof Versions> = Omit<InputOf<Versions[N]>, "secretKey">;
export type SecretHistory = Readonly<OutputOf<Versions["history"]>>;
export type HistoryOptions = Options<"history">;
export type PromoteOptions = Options<"promote">;
export type DiscardOptions = Options<"discard">;
export type RollbackOptions = Options<"rollback">;
export type PurgeOptions = Options<"purge">;
export type Expiry = Options<"setExpiry">;
