import { z } from "zod";
import {
  expectedVersion,
  expiry,
  grace,
  maxBatchSecrets,
  note,
  request,
  secretKey,
  value,
  version,
} from "./fields.ts";
import { companyOperation, type InputOf, type OutputOf } from "./operation.ts";

/** What goes with a value that is written. */
const write = {
  /** The version that the caller has seen, 0 for "none yet": another one is a CONFLICT. */
  expectedVersion,
  /** Why, for the history: at most 500 characters, and not a secret. */
  note,
  ...expiry,
};
export const secretWriteOperations = {
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

type Writes = typeof secretWriteOperations;
export type WriteOptions = Omit<InputOf<Writes["write"]>, "secretKey" | "value">;
export type WriteResult = Readonly<OutputOf<Writes["stage"]>>;
export type SetResult = Readonly<OutputOf<Writes["write"]>>;
/** One secret of a batch, in text. */
export type TextWrite = InputOf<Writes["writeMany"]>["writes"][number];
/** Of one secret in a batch: the batch has the request id. */
export type BatchWriteOptions = Omit<TextWrite, "secretKey" | "value">;
export type BatchWriteResult = OutputOf<Writes["writeMany"]>[number];
export type StageOptions = Omit<InputOf<Writes["stage"]>, "secretKey" | "value">;
export type RemoveOptions = Omit<InputOf<Writes["remove"]>, "secretKey">;
export type RemoveResult = Readonly<OutputOf<Writes["remove"]>>;
