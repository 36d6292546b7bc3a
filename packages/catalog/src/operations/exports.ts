import { z } from "zod";
import { RevealPurpose } from "../vocabulary/actor.ts";
import { company } from "./fields.ts";
import { FileFormat } from "./files.ts";
import { operation, type InputOf, type OutputOf } from "./operation.ts";
import { SignedReceipt } from "./signed-receipt.ts";

const Export = z.object({
  id: z.uuid(),
  exportedAt: z.date(),
  /** What its receipt says. Left out where the stored receipt was damaged. */
  facts: z
    .object({
      /** The kind and the id of who exported. */
      exportedBy: z.string(),
      /** The name of that person or API key in the company. */
      exportedByName: z.string().optional(),
      purpose: RevealPurpose,
      recipients: z.array(z.string()).readonly(),
      format: FileFormat,
      /** How many secrets the file has. */
      secrets: z.int(),
      /** How many secrets of the company it has not. */
      leftOut: z.int(),
      /** Of the encrypted file, in hexadecimal digits. */
      sha256: z.string(),
      /** Of the encrypted file. */
      bytes: z.int(),
    })
    .optional(),
});
export type Export = Readonly<z.infer<typeof Export>>;

/** The encrypted exports of a company: `secrets.export` with recipients makes them. Those who may read the audit log see them. */
export const exportOperations = {
  /** The latest first, 100 a page. */
  list: operation({
    kind: "query",
    verb: "audit",
    input: z.strictObject({
      company,
      /** From the page before. */
      cursor: z.uuid().optional(),
    }),
    output: z.object({
      exports: z.array(Export).readonly(),
      /** For the next page; left out on the last one. */
      cursor: z.uuid().optional(),
    }),
  }),

  /** The receipt, as `secrets.export` answered it. */
  receipt: operation({
    kind: "query",
    verb: "audit",
    input: z.strictObject({ company, export: z.uuid() }),
    output: SignedReceipt,
  }),
};

export type ExportQuery = InputOf<(typeof exportOperations)["list"]>;
export type ExportPage = Readonly<OutputOf<(typeof exportOperations)["list"]>>;
