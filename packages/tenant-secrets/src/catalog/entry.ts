import type { z } from "zod";

/** What the catalogue says of one secret. `Value` is what `get` answers and `set` takes. */
export interface CatalogEntry<Value = unknown> {
  /** For people: "Stripe secret key". */
  readonly label: string;
  /** What a value must look like, as the end of "The value …", for the refusal. Never quotes one. */
  readonly rule: string;
  /** How the value is kept: as it is, or as JSON. */
  readonly format: "text" | "json";
  readonly schema: z.ZodType<Value>;
  /** Whether lists may show the last four characters of a long value. */
  readonly hint: boolean;
}

type Description = Pick<CatalogEntry, "label" | "rule"> & Partial<Pick<CatalogEntry, "hint">>;

/** An entry whose value is a string. */
export function textSecret(schema: z.ZodType<string>, description: Description): CatalogEntry<string> {
  return { hint: true, ...description, format: "text", schema };
}

/** An entry whose value is an object, kept as JSON. */
export function jsonSecret<Value extends object>(
  schema: z.ZodType<Value>,
  description: Description,
): CatalogEntry<Value> {
  return { hint: false, ...description, format: "json", schema };
}
