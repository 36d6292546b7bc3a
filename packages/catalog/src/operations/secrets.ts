import { z } from "zod";
import { RevealPurpose } from "../vocabulary/actor.ts";
import { SecretStoreName } from "../vocabulary/names.ts";
import { Check, ReportedOutcome } from "./checks.ts";
import {
  anyVersion,
  expectedVersion,
  expiry,
  grace,
  maxBatchSecrets,
  maxCopyAgeMs,
  maxExpiresWithinDays,
  note,
  request,
  secretKey,
  value,
  version,
  wholeNumber,
} from "./fields.ts";
import { companyOperation, type InputOf, type OutputOf } from "./operation.ts";
import { RotationPolicyState, RotationRunState } from "./rotation-states.ts";
import { Capabilities, NamedActor } from "./versions.ts";

/** What lists show of a secret: never the value. */
const SecretDescription = z.object({
  secretKey: z.string(),
  /** Whether the catalogue knows this secret key; one that it does not know cannot be read or written here. */
  inCatalog: z.boolean(),
  /** False for a name in Infisical that no secret can have here: it can neither be read nor removed here. */
  usable: z.literal(false).optional(),
  label: z.string().optional(),
  /** 0 where a hybrid company's value is still only in Infisical. */
  version,
  /** The highest version so far, pending and discarded ones included: the next write makes one more. Undefined of one in Infisical. */
  lastVersion: version.optional(),
  location: z.enum(["infisical", "database"]),
  lastFour: z.string().optional(),
  fingerprint: z.string().optional(),
  createdAt: z.date(),
  updatedAt: z.date(),
  /** Who made the current version. Undefined of a secret in Infisical. */
  updatedBy: NamedActor.optional(),
  /** Whether its value is never revealed to a person. */
  writeOnly: z.literal(true).optional(),
  /** When the current version's credential expires at its provider, as its writer said. An expired one is still served. */
  expiresAt: z.date().optional(),
  /** Days from now until then by the store's clock, begun ones counted; 0 or less once it has expired. */
  expiresInDays: z.int().optional(),
  /** To the hour. */
  lastUsedAt: z.date().optional(),
  /** The version that waits to be promoted. */
  pendingVersion: version.optional(),
  /** When the pending version was made. */
  pendingSince: z.date().optional(),
  /** Until when an earlier version is still active; of several, the latest. */
  previousUntil: z.date().optional(),
  /** What its provider last said of the current version. */
  check: Check.optional(),
  /** How it is rotated with its provider. Left out where it has no policy. */
  rotation: z
    .object({
      driver: z.string(),
      state: RotationPolicyState,
      /** Left out where nothing is due by time. */
      nextDueAt: z.date().optional(),
      /** The run that is not over. */
      run: z.object({ id: z.uuid(), state: RotationRunState }).optional(),
    })
    .optional(),
});
export type SecretDescription = Readonly<z.infer<typeof SecretDescription>>;

const RemovedSecret = z.object({
  secretKey: z.string(),
  label: z.string().optional(),
  /** The version that would be current again. */
  version,
  removedAt: z.date(),
  removedBy: NamedActor.optional(),
  restorableUntil: z.date(),
});
export type RemovedSecret = Readonly<z.infer<typeof RemovedSecret>>;

/** Of an answer in a region that has copies of a company that is at home in another one. */
const CopyMark = z.object({
  homeRegion: z.string(),
  /**
   * How old the copy can be, in milliseconds: since when nothing has been heard of the home. Left out where it has never been heard
   * of.
   */
  ageMs: z.int().min(0).optional(),
});
export type CopyMark = Readonly<z.infer<typeof CopyMark>>;

/** What answers of a region with copies have; left out at home. */
const copy = { copy: CopyMark.optional() };

const freshness = {
  /** Refuses an answer from a copy that is older, with STORE_UNAVAILABLE and a time to try again. Ignored at the company's home. */
  maxAgeMs: wholeNumber(0, maxCopyAgeMs)
    .optional()
    .describe("Of a company at home in another region: refuse a copy that is older"),
};
export type Freshness = Readonly<z.infer<z.ZodObject<typeof freshness>>>;

const ReadValue = z.object({
  value: z.string(),
  version,
  ...copy,
  /** Given where it is not the current version: a rotation tries its next value. */
  stage: z.literal("pending").optional(),
});
export type ReadValue = Readonly<z.infer<typeof ReadValue>>;

/** What goes with a value that is written. */
const write = {
  /** The version that the caller has seen, 0 for "none yet": another one is a CONFLICT. */
  expectedVersion,
  /** Why, for the history: at most 500 characters, and not a secret. */
  note,
  ...expiry,
};

export const secretOperations = {
  list: companyOperation({
    kind: "query",
    verb: "describe",
    forServices: {
      summary: "Lists the secrets of a company: versions, dates and checks, never a value.",
      example: { company: "acmecorp" },
    },
    action: "secret.list",
    input: {
      /** Only what expires within so many days, or has expired; the first to expire first. */
      expiresWithinDays: wholeNumber(0, maxExpiresWithinDays)
        .optional()
        .describe("Only what expires within so many days, or has expired; the first to expire first"),
      ...freshness,
    },
    output: z.object({
      store: SecretStoreName,
      capabilities: Capabilities,
      secrets: z.array(SecretDescription).readonly(),
      /** What could not be listed, because it could not be asked: what of a hybrid company is only in Infisical. */
      missing: z.literal("infisical").optional(),
      ...copy,
    }),
  }),

  removed: companyOperation({
    kind: "query",
    verb: "describe",
    forServices: {
      summary: "Lists the removed secrets that can be restored. Audited like a list.",
      example: { company: "acmecorp" },
    },
    action: "secret.list",
    input: {},
    output: z.object({ secrets: z.array(RemovedSecret).readonly() }),
  }),

  read: companyOperation({
    kind: "mutation",
    verb: "use",
    forServices: {
      summary: "Reads one value, for programs, and for what the product does in the name of a person.",
      example: { company: "acmecorp", secretKey: "STRIPE_SECRET_KEY" },
    },
    action: "secret.read",
    input: {
      secretKey,
      /**
       * The caller tries the current version where its provider refuses this one, and reports it, so that the answer may be what a
       * rotation tries with a share of the uses.
       */
      canary: z
        .boolean()
        .optional()
        .describe("Take what a rotation tries with a share of the uses, and report what the provider says"),
      ...freshness,
    },
    output: ReadValue,
  }),

  readMany: companyOperation({
    kind: "mutation",
    verb: "use",
    forServices: {
      summary:
        "Reads 1 to 100 values. Answers those that are there and that the caller may know of, in the order asked for.",
      example: { company: "acmecorp", secretKeys: ["STRIPE_SECRET_KEY", "CUSTOM_TOKEN"] },
    },
    action: "secret.read",
    input: {
      secretKeys: z
        .array(secretKey)
        .min(1)
        .max(maxBatchSecrets)
        .readonly()
        .describe("The names of 1 to 100 secrets"),
      ...freshness,
    },
    output: z.array(ReadValue.extend({ secretKey: z.string() })).readonly(),
  }),

  readActive: companyOperation({
    kind: "mutation",
    verb: "use",
    forServices: {
      summary: "Reads the active versions of a secret, past every cache: current, pending, previous.",
      example: { company: "acmecorp", secretKey: "STRIPE_SECRET_KEY" },
    },
    action: "secret.read",
    input: { secretKey, ...freshness },
    output: z.array(ReadValue).readonly(),
  }),

  reportOutcome: companyOperation({
    kind: "mutation",
    verb: "use",
    forServices: {
      summary:
        "Stores as a version's check what its provider said to its user, at most once a minute where it stays the same.",
      example: { company: "acmecorp", secretKey: "STRIPE_SECRET_KEY", version: 1, result: "accepted" },
    },
    action: "secret.check",
    changes: true,
    input: {
      secretKey,
      version: anyVersion.describe("The version that was used"),
      result: ReportedOutcome.describe("What its provider said"),
    },
    output: z.void(),
  }),

  /** One value for a person to look at. Its purpose is audited before it leaves. */
  reveal: companyOperation({
    kind: "mutation",
    verb: "reveal",
    stepUp: true,
    action: "secret.reveal",
    input: { secretKey, purpose: RevealPurpose, ...freshness },
    output: ReadValue,
  }),

  write: companyOperation({
    kind: "mutation",
    verb: "write",
    forServices: {
      summary: "Makes a value the current version.",
      example: {
        company: "acmecorp",
        secretKey: "CUSTOM_TOKEN",
        value: "fake_token_0002",
        note: "renewed by its owner",
        requestId: "renewal-7",
      },
    },
    action: "secret.write",
    // A caller could probe through us which stolen credentials work.
    sensitiveWith: "check",
    input: {
      secretKey,
      value,
      ...write,
      ...grace,
      ...request,
      /** Asks the provider first whether it takes this value: what it rejects is not written. */
      check: z.boolean().optional().describe("Ask the provider first, and write nothing that it rejects"),
    },
    output: z.object({
      version,
      /** With `check`: what the provider said; "unknown" where it could not be asked. */
      check: z.enum(["accepted", "unknown"]).optional(),
    }),
  }),

  generate: companyOperation({
    kind: "mutation",
    verb: "write",
    forServices: {
      summary:
        "Makes a random value, by the scheme of the catalogue's entry, the current version. No answer holds it. NOT_SUPPORTED for an entry without a scheme.",
      example: { company: "acmecorp", secretKey: "WEBHOOK_SIGNING_SECRET" },
    },
    action: "secret.write",
    input: { secretKey, ...write, ...grace, ...request },
    output: z.object({ version }),
  }),

  writeMany: companyOperation({
    kind: "mutation",
    verb: "write",
    forServices: {
      summary: "Makes 1 to 100 values the current versions: all of them, or none.",
      example: {
        company: "acmecorp",
        writes: [{ secretKey: "CUSTOM_TOKEN", value: "fake_token_0003", expiresAt: "2030-01-31T00:00:00Z" }],
      },
    },
    action: "secret.write",
    input: {
      writes: z
        .array(z.strictObject({ secretKey, value, ...write, ...grace }))
        .min(1)
        .max(maxBatchSecrets)
        .readonly()
        .describe("1 to 100 secrets: all are written, or none"),
      ...request,
    },
    output: z.array(z.object({ secretKey: z.string(), version })).readonly(),
  }),

  stage: companyOperation({
    kind: "mutation",
    verb: "write",
    forServices: {
      summary: "Adds a value as the next version, pending until `secrets.promote` or `secrets.discard`.",
      example: { company: "acmecorp", secretKey: "CUSTOM_TOKEN", value: "fake_token_0004" },
    },
    action: "secret.stage",
    input: {
      secretKey,
      value,
      ...write,
      ...request,
      /** Destroys the pending version that is there already; without it, that is a CONFLICT. */
      replace: z.boolean().optional().describe("Destroy the pending version that is there already"),
    },
    output: z.object({ version }),
  }),

  remove: companyOperation({
    kind: "mutation",
    verb: "delete",
    forServices: {
      summary: "Removes a secret. `secrets.restore` undoes it until the time that the answer has.",
      example: { company: "acmecorp", secretKey: "CUSTOM_TOKEN" },
    },
    action: "secret.remove",
    input: {
      secretKey,
      expectedVersion,
      ...request,
      /** Of a hybrid company: deletes it in Infisical as well, for good. Also once it was removed here. Default: false */
      inInfisical: z
        .boolean()
        .optional()
        .describe("Of a hybrid company: delete it in Infisical too, for good"),
    },
    output: z.object({
      /** Until when `restore` can undo it; undefined where there is nothing to restore it from. */
      recoverUntil: z.date().optional(),
      /** Whether a hybrid company's folder in Infisical has it still, unseen from here. Undefined where Infisical could not be asked. */
      leftInInfisical: z.boolean().optional(),
    }),
  }),

  restore: companyOperation({
    kind: "mutation",
    verb: "delete",
    forServices: {
      summary:
        "Undoes a removal, until the time that `secrets.remove` answered. Answers the version that is current again.",
      example: { company: "acmecorp", secretKey: "CUSTOM_TOKEN" },
    },
    action: "secret.restore",
    input: { secretKey, ...request },
    output: z.object({ version }),
  }),
};

type Secrets = typeof secretOperations;
export type SecretList = Readonly<OutputOf<Secrets["list"]>>;
export type ListOptions = InputOf<Secrets["list"]>;
export type WriteOptions = Omit<InputOf<Secrets["write"]>, "secretKey" | "value">;
export type WriteResult = Readonly<OutputOf<Secrets["stage"]>>;
export type SetResult = Readonly<OutputOf<Secrets["write"]>>;
/** One secret of a batch, in text. */
export type TextWrite = InputOf<Secrets["writeMany"]>["writes"][number];
/** Of one secret in a batch: the batch has the request id. */
export type BatchWriteOptions = Omit<TextWrite, "secretKey" | "value">;
export type BatchWriteResult = OutputOf<Secrets["writeMany"]>[number];
export type StageOptions = Omit<InputOf<Secrets["stage"]>, "secretKey" | "value">;
export type RemoveOptions = Omit<InputOf<Secrets["remove"]>, "secretKey">;
export type RemoveResult = Readonly<OutputOf<Secrets["remove"]>>;
