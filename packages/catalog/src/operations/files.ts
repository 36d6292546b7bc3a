import { z } from "zod";
import { maxValueBytes } from "../catalog/value-text.ts";
import type { FileEntry } from "../file-formats/file-text.ts";
import { RevealPurpose } from "../vocabulary/actor.ts";
import { maxRecipientLength, maxRecipients } from "../vocabulary/age-recipients.ts";
import { errorCodes } from "../vocabulary/errors.ts";
import { maxBatchSecrets, note, request, secretKey, version } from "./fields.ts";
import { companyOperation, type OutputOf } from "./operation.ts";
import { SignedReceipt } from "./signed-receipt.ts";

/** More are not even counted for their sender. */
const maxUnreadEntries = 1000;

/** The form of an entry that comes from outside. What is wrong with a name or a value is for the catalogue to say. */
export const UnreadEntry = z.strictObject({
  secretKey: z.string().max(1000).describe("The name of a secret, such as STRIPE_SECRET_KEY"),
  text: z
    .string()
    .max(4 * maxValueBytes)
    .describe("Its value, as text"),
  line: z.int().min(1).describe("Of the file that it stands in"),
});

/** As the parsers of files make them. They are read, with {@link UnreadEntry}, once the caller was found to be allowed to write. */
const entries = z
  .array(z.custom<FileEntry>())
  .max(maxUnreadEntries)
  .readonly()
  .describe("What a file has, in its order");

export const FileFormat = z.enum(["env", "json"]).describe("The form of the file");

/** `unusable`: what Infisical has is empty, has NUL, is more than 65,536 bytes or not well-formed. */
export const LeftOutReason = z.enum(["write-only", "not-in-catalogue", "unusable"]);

export const fileOperations = {
  planImport: companyOperation({
    kind: "mutation",
    verb: "write",
    forServices: {
      summary:
        "What an import would do, secret by secret. Writes nothing; what is compared is audited before the caller learns of it.",
      example: {
        company: "acmecorp",
        entries: [{ secretKey: "CUSTOM_TOKEN", text: "fake_token_0005", line: 1 }],
      },
    },
    action: "secret.compare",
    changes: false,
    // It tells whether values are the current ones.
    sensitive: true,
    input: { entries },
    output: z
      .array(
        z.discriminatedUnion("change", [
          z.object({
            change: z.enum(["added", "changed", "unchanged"]),
            line: z.int(),
            secretKey: z.string(),
            /** Which version it saw; 0 where there is none. */
            version,
          }),
          z.object({
            change: z.literal("refused"),
            line: z.int(),
            secretKey: z.string().optional(),
            reason: z.enum(errorCodes),
            message: z.string(),
          }),
        ]),
      )
      .readonly(),
  }),

  import: companyOperation({
    kind: "mutation",
    verb: "write",
    forServices: {
      summary: "Writes those entries of a file that are `expected`, all or none.",
      example: {
        company: "acmecorp",
        entries: [{ secretKey: "CUSTOM_TOKEN", text: "fake_token_0005", line: 1 }],
        expected: [{ secretKey: "CUSTOM_TOKEN", version: 4 }],
      },
    },
    action: "secret.import",
    input: {
      entries,
      /** What is written, and the version that each secret had when it was decided to: another one is a CONFLICT. */
      expected: z
        .array(
          z.strictObject({
            secretKey,
            version: version.describe("That it had when this was decided, 0 for none yet"),
          }),
        )
        .max(maxBatchSecrets)
        .readonly()
        .describe("What is written, and on which version: where it is another one, that is a CONFLICT"),
      /** Writes the rest where entries are refused; without it, one refused entry refuses all. */
      skipRefused: z
        .boolean()
        .optional()
        .describe("Write the rest where entries are refused; without it, one refuses all"),
      ...request,
      /** As of a write, for each of them. */
      note,
    },
    output: z.object({ written: z.array(z.object({ secretKey: z.string(), version })).readonly() }),
  }),

  export: companyOperation({
    kind: "mutation",
    verb: "export",
    forServices: {
      summary:
        "All values that the caller may have, as a file that reads back to the byte, in the clear or encrypted to recipients of age. Each is audited before any leaves.",
      example: { company: "acmecorp", format: "env", purpose: "hand-over" },
    },
    stepUp: true,
    action: "secret.export",
    input: {
      format: FileFormat,
      purpose: RevealPurpose.describe("Why, for the audit log"),
      /** What is wrong with one is for `recipientsFault` to say. */
      recipients: z
        .array(z.string().max(maxRecipientLength))
        .max(maxRecipients)
        .readonly()
        .optional()
        .describe(
          "Encrypt the file to these public keys of age, and answer a receipt; without any, it is in the clear",
        ),
    },
    output: z.object({
      /** All values: in the clear, or as an armored file of age where recipients were given. */
      file: z.string(),
      secretKeys: z.array(z.string()).readonly(),
      leftOut: z.array(z.object({ secretKey: z.string(), reason: LeftOutReason })).readonly(),
      /** Of an encrypted file: what was handed over to whom, signed and kept. docs/import-export.md explains it. */
      receipt: SignedReceipt.optional(),
    }),
  }),
};

type Files = typeof fileOperations;
export type ComparedEntry = OutputOf<Files["planImport"]>[number];
export type ExportedSecrets = Readonly<OutputOf<Files["export"]>>;
