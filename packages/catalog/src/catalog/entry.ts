import type { z } from "zod";

export interface Mistake {
  readonly pattern: RegExp;
  /** As the end of "A value …". It is a fixed text, so that it cannot quote what was refused. */
  readonly rule: string;
}

/** What the catalogue says of one secret. `Value` is what `get` answers and `set` takes. */
export interface CatalogEntry<Value = unknown> {
  /** For people: "Stripe secret key". */
  readonly label: string;
  /** For people: what the product does with it, as a sentence. */
  readonly purpose?: string;
  /** Where the provider says how to get one: an address with https. */
  readonly docsUrl?: string;
  /** What a value must look like, as the end of "The value …", for the refusal. Never quotes one. */
  readonly rule: string;
  /** Wrong values that people paste, each with the rule that it breaks: the first that fits is said in place of `rule`. */
  readonly mistakes?: readonly Mistake[];
  /** How the value is stored: as it is, or as JSON. */
  readonly format: "text" | "json";
  readonly schema: z.ZodType<Value>;
  /** Whether lists may show the last four characters of a long value. */
  readonly showsLastFour: boolean;
  /** The value is written and used by programs, and never revealed to a person. */
  readonly writeOnly: boolean;
  /** False for what stays in Infisical at a hybrid company, such as what changes there often. Default true. */
  readonly backfill?: boolean;
  /** The name of the check that asks the provider whether a value works; the server has checks by name. */
  readonly check?: string;
  /** For a secret that webhooks are signed with: the name of the verifier; the server has verifiers by name. */
  readonly signatures?: string;
  /** How the server makes a value, for a secret that the product may choose. Left out: its provider alone makes one. */
  readonly generates?: ValueScheme;
  /**
   * How the value is renewed with its provider: the name of the rotation driver, with its settings; the server has drivers by name.
   */
  readonly rotation?: { readonly driver: string; readonly settings?: unknown };
  /** Whether a value may have several lines, such as a key in PEM, so that a form offers them. Default false. */
  readonly multiline?: boolean;
}

/** Forms of a value that the server can make: `whsec_` and 32 random bytes in base64; 32 random bytes in base64url. */
export const valueSchemes = ["standard-webhooks", "random-token"] as const;
export type ValueScheme = (typeof valueSchemes)[number];

type Description = Pick<CatalogEntry, "label" | "rule"> &
  Partial<
    Pick<
      CatalogEntry,
      | "purpose"
      | "docsUrl"
      | "mistakes"
      | "showsLastFour"
      | "writeOnly"
      | "backfill"
      | "check"
      | "signatures"
      | "generates"
      | "rotation"
      | "multiline"
    >
  >;

/** An entry whose value is a string. */
export function textSecret(schema: z.ZodType<string>, description: Description): CatalogEntry<string> {
  return { showsLastFour: true, writeOnly: false, ...description, format: "text", schema };
}

/**
 * An entry whose value is an object, stored as JSON. A form has a field for each property, named by the `title` of its metadata
 * (`.meta({ title: "Client ID" })`), and masks each but those with `secret: false` there.
 */
export function jsonSecret<Value extends object>(
  schema: z.ZodType<Value>,
  description: Description,
): CatalogEntry<Value> {
  return { showsLastFour: false, writeOnly: false, ...description, format: "json", schema };
}
