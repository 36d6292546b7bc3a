import { z } from "zod";

const isoDate = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/**
 * Puts dates where a schema has them and a plain JSON has their text. It looks at the names of the schema alone; what does not fit is
 * left as it is, for the schema to refuse.
 *
 * @param json from JSON.parse; it is changed
 */
export function readDates(schema: z.core.$ZodType, json: unknown): unknown {
  if (schema instanceof z.ZodDate) return dateOf(json);
  if (schema instanceof z.ZodObject) {
    if (!isObject(json)) return json;
    for (const [name, field] of Object.entries(schema.shape)) {
      if (Object.hasOwn(json, name)) json[name] = readDates(field, json[name]);
    }
    return json;
  }
  if (schema instanceof z.ZodArray) {
    return Array.isArray(json) ? json.map((element) => readDates(schema.element, element)) : json;
  }
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodReadonly
  ) {
    return readDates(schema.unwrap(), json);
  }
  return json;
}

function dateOf(json: unknown): unknown {
  if (typeof json !== "string" || !isoDate.test(json)) return json;
  const date = new Date(json);
  return Number.isNaN(date.getTime()) ? json : date;
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
