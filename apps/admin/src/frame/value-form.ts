import { brokenString, brokenText, damageOf } from "@repo/tenant-secrets/files";
import type { EntryDescription } from "./catalog.ts";

/** One field of a form for a value. */
export interface FormPart {
  /** The property of the object that the value is; "" for a value that is no object. */
  readonly name: string;
  readonly label: string;
  /** False where the catalogue says that it is no secret. */
  readonly isSecret: boolean;
  readonly isMultiline: boolean;
}

type Parts = Readonly<Record<string, string>>;

/** The fields of a value: one for each property of an object of texts, and one for anything else. */
export function partsOf(entry: EntryDescription): readonly FormPart[] {
  const whole = { name: "", label: "Value", isSecret: true, isMultiline: entry.multiline };
  if (entry.format === "text") return [whole];
  const properties = Object.entries(recordOf(entry.schema["properties"]));
  const isPlain = properties.length > 0 && properties.every(([, of]) => recordOf(of)["type"] === "string");
  if (!isPlain) return [{ ...whole, label: "Value, as JSON", isMultiline: true }];
  return properties.map(([name, of]) => {
    const { title, secret } = recordOf(of);
    return {
      name,
      label: typeof title === "string" ? title : name,
      isSecret: secret !== false,
      isMultiline: false,
    };
  });
}

/** The text that is stored for what stands in the fields. A property without text is left out. */
export function valueOf(entry: EntryDescription, parts: Parts): string {
  const names = partsOf(entry).map(({ name }) => name);
  if (names.includes("")) return parts[""] ?? "";
  const filled = names.flatMap((name) => {
    const text = parts[name] ?? "";
    return text === "" ? [] : [[name, text]];
  });
  return filled.length === 0 ? "" : JSON.stringify(Object.fromEntries(filled));
}

/** @returns the fields that a text fills which was pasted into one of them; undefined where it is no object of theirs */
export function partsOfText(entry: EntryDescription, text: string): Parts | undefined {
  const names = partsOf(entry).map(({ name }) => name);
  if (names.includes("") || !text.trimStart().startsWith("{")) return undefined;
  const given = Object.entries(recordOf(parsed(text)));
  const isTheirs =
    given.length > 0 && given.every(([name, of]) => names.includes(name) && typeof of === "string");
  return isTheirs ? Object.fromEntries(given.map(([name, of]) => [name, String(of)])) : undefined;
}

/**
 * What is wrong with a value, as the end of "A value …", by field; "" is the whole. What a JSON Schema cannot say is left to the
 * server.
 */
export function mistakesOf(entry: EntryDescription, parts: Parts): Parts {
  const value = valueOf(entry, parts);
  const fields = partsOf(entry);
  if (fields.some(({ name }) => name === "")) {
    const isRefused = () =>
      breaks(entry.schema, entry.format === "json" ? parsed(value) : value) !== undefined;
    const own = () => (entry.format === "text" ? damageOf(value) : undefined) ?? entry.rule;
    const rule = brokenText(value) ?? (isRefused() ? own() : undefined);
    return rule === undefined ? {} : { "": rule };
  }
  const required = listOf(entry.schema["required"]);
  const properties = recordOf(entry.schema["properties"]);
  const mistakes = fields.flatMap(({ name }) => {
    const text = parts[name] ?? "";
    const missing = required.includes(name) ? "is not empty" : undefined;
    const rule = text === "" ? missing : (brokenString(text) ?? breaks(recordOf(properties[name]), text));
    return rule === undefined ? [] : [[name, rule] as const];
  });
  const whole = mistakes.length === 0 ? brokenText(value) : undefined;
  return Object.fromEntries(whole === undefined ? mistakes : [["", whole]]);
}

/** The rule of a JSON Schema that a value breaks, as the end of "A value …". A keyword that is not here refuses nothing. */
export function breaks(schema: Readonly<Record<string, unknown>>, value: unknown): string | undefined {
  const { type, pattern, minLength, maxLength, required, properties, additionalProperties } = schema;
  if (
    typeof type === "string" &&
    typeOf(value) !== type &&
    !(type === "number" && typeOf(value) === "integer")
  ) {
    return `is ${type === "object" ? "a JSON object" : `of the type ${type}`}`;
  }
  if (Array.isArray(schema["enum"]) && !schema["enum"].includes(value)) return "is one of the listed ones";
  if (typeof value === "string") {
    if (typeof minLength === "number" && value.length < minLength)
      return `has at least ${minLength} characters`;
    if (typeof maxLength === "number" && value.length > maxLength)
      return `has at most ${maxLength} characters`;
    if (typeof pattern === "string" && !new RegExp(pattern).test(value)) return "has the form of one";
  }
  if (typeOf(value) !== "object") return undefined;
  const members = recordOf(value);
  const known = recordOf(properties);
  const absent = listOf(required).find((name) => !Object.hasOwn(members, name));
  if (absent !== undefined) return `has ${absent} in it`;
  if (additionalProperties === false && Object.keys(members).some((name) => !Object.hasOwn(known, name))) {
    return `has nothing in it but ${Object.keys(known).join(", ")}`;
  }
  const broken = Object.keys(members).map((name) => breaks(recordOf(known[name]), members[name]));
  return broken.find((rule) => rule !== undefined);
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
