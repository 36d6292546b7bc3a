import { z } from "zod";
import type { CatalogDescription, EntryDescription } from "../operations/catalog.ts";
import type { Catalog } from "./catalog.ts";
import { customKey, customKeyRule, customSecret } from "./custom.ts";
import type { CatalogEntry } from "./entry.ts";

/** What forms are made of: every entry with its rule and a JSON Schema, and the rule of `CUSTOM_…` secret keys. No values. */
export function describeCatalog({ entries }: Catalog): CatalogDescription {
  return {
    secrets: Object.entries(entries).map(([secretKey, entry]) => ({ secretKey, ...describe(entry) })),
    custom: { pattern: customKey.source, patternRule: customKeyRule, ...describe(customSecret) },
  };
}

function describe(entry: CatalogEntry): EntryDescription {
  const {
    label,
    purpose,
    docsUrl,
    rule,
    format,
    multiline = false,
    writeOnly,
    check,
    generates,
    rotation,
  } = entry;
  return {
    label,
    purpose,
    docsUrl,
    rule,
    format,
    schema: jsonSchemaOf(entry.schema),
    multiline,
    writeOnly,
    lastFour: entry.showsLastFour,
    check,
    generates,
    rotation: rotation?.driver,
  };
}

/** What a JSON Schema cannot say, such as a refinement, is left out: of an entry, its `rule` has it. */
export function jsonSchemaOf(schema: z.ZodType): Record<string, unknown> {
  const made = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  // zod hangs functions on it, which are no JSON.
  return Object.fromEntries(Object.entries(made));
}
