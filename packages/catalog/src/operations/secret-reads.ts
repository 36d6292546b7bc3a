import { z } from "zod";
import { RevealPurpose } from "../vocabulary/actor.ts";
import { SecretStoreName } from "../vocabulary/names.ts";
import { ReportedOutcome } from "./checks.ts";
import {
  anyVersion,
  maxBatchSecrets,
  maxCopyAgeMs,
  maxExpiresWithinDays,
  secretKey,
  version,
  wholeNumber,
} from "./fields.ts";
import { companyOperation, type InputOf, type OutputOf } from "./operation.ts";
import { RemovedSecret, SecretDescription } from "./secret-descriptions.ts";
import { Capabilities } from "./versions.ts";

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
export const secretReadOperations = {
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
};

type Reads = typeof secretReadOperations;
export type SecretList = Readonly<OutputOf<Reads["list"]>>;
export type ListOptions = InputOf<Reads["list"]>;
