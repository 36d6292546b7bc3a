import { z } from "zod";
import { valueSchemes } from "../catalog/entry.ts";
import { operation, type OutputOf } from "./operation.ts";

const EntryDescription = z.object({
  label: z.string(),
  /** What the product does with it, as a sentence. */
  purpose: z.string().optional(),
  /** Where the provider says how to get one: https. */
  docsUrl: z.url({ protocol: /^https$/ }).optional(),
  /** What a value must look like, as the end of "A value …". It says all of it; `schema` says what a JSON Schema can say. */
  rule: z.string(),
  format: z.enum(["text", "json"]),
  /** A JSON Schema (2020-12) of the value: of the text, or of the object whose JSON is stored. */
  schema: z.record(z.string(), z.unknown()),
  /** Whether a form offers several lines. */
  multiline: z.boolean(),
  /** Whether no person may reveal it. */
  writeOnly: z.boolean(),
  /** Whether lists show the last four characters of a long value. */
  lastFour: z.boolean(),
  /** The name of the check that asks its provider whether a value works. */
  check: z.string().optional(),
  /** The scheme by which `secrets.generate` makes a value. */
  generates: z.enum(valueSchemes).optional(),
  /** The name of the driver that rotates it, unless its policy names another one. */
  rotation: z.string().optional(),
});

/** The catalogue of the product that serves. It concerns no company, and is the same for every caller. */
export const catalogOperations = {
  describe: operation({
    kind: "query",
    verb: "describe",
    forServices: {
      summary:
        "The catalogue of the product that serves: which secrets there are, and what their values look like. The same for every caller.",
      example: {},
    },
    input: z.void(),
    output: z.object({
      secrets: z.array(EntryDescription.extend({ secretKey: z.string() })).readonly(),
      /** Secrets whose keys need no entry: each key that fits the pattern is described by this. */
      custom: EntryDescription.extend({
        /** A regular expression (ECMAScript) of the secret keys. */
        pattern: z.string(),
        /** The pattern as the end of "The secret key …". */
        patternRule: z.string(),
      }),
    }),
  }),
};

export type EntryDescription = Readonly<z.infer<typeof EntryDescription>>;
export type CatalogDescription = Readonly<OutputOf<(typeof catalogOperations)["describe"]>>;
