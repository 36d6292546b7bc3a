import { TenantSecretsError } from "./errors.ts";

// What travels between the API and its clients is JSON, and in it dates and `undefined`: nothing that a schema here uses is
// of another type. They are marked as superjson marks them, so that its users understand this and are understood. superjson
// itself is not used: it builds whatever the sender's marks say (a typed array of any length, a Map, references to other
// places) before a schema is asked, and has no way to leave types out.

const kinds = ["Date", "undefined"] as const;
type Kind = (typeof kinds)[number];

/** A kind for the whole value, or for each place in it: the names on the way to it, escaped and joined by dots. */
type Marks = readonly [Kind] | Readonly<Record<string, readonly [Kind]>>;

interface Envelope {
  readonly json: unknown;
  readonly meta?: { readonly values: Marks; readonly v: 1 };
}

/** How many places of one call's input may be marked; 100 writes at once with all their options left out are 300. */
export const maxInputMarks = 1000;
/** As deep as the JSON of a request may nest, and deeper than any answer does; it also ends what refers to itself. */
const maxDepth = 20;

/** The transformer of both sides. tRPC puts an input through the first pair, and an answer through the second one. */
export const wire = {
  input: {
    serialize: (value: unknown): Envelope =>
      serialize(value, (rule) => new TenantSecretsError("INVALID_INPUT", `The call was not sent: ${rule}.`)),
    deserialize: (payload: unknown): unknown => deserialize(payload, maxInputMarks),
  },
  /** A client reads as many marks as its server writes: they cost it less than the JSON that they stand in. */
  output: {
    serialize: (value: unknown): Envelope => serialize(value, (rule) => new TypeError(rule)),
    deserialize: (payload: unknown): unknown => deserialize(payload, Infinity),
  },
};

/**
 * @returns a copy for JSON.stringify; members that are undefined are left out
 * @throws {Error} a refusal, for what is neither JSON nor a date nor undefined
 */
function serialize(value: unknown, refusal: (rule: string) => Error): Envelope {
  const marks: [path: string, mark: readonly [Kind]][] = [];
  const way: string[] = [];
  let ofAll: readonly [Kind] | undefined;
  const mark = (kind: Kind): void => {
    if (way.length === 0) ofAll = [kind];
    else marks.push([way.map(escaped).join("."), [kind]]);
  };
  const plain = (item: unknown): unknown => {
    if (item === null || typeof item === "string" || typeof item === "boolean") return item;
    if (Number.isFinite(item)) return item;
    if (item === undefined) {
      mark("undefined");
      return null;
    }
    if (item instanceof Date) {
      if (Number.isNaN(item.getTime())) throw refusal("a date of it is none");
      mark("Date");
      return item.toISOString();
    }
    if (way.length === maxDepth) throw refusal("it nests too deeply");
    if (Array.isArray(item)) return item.map((element: unknown, i) => within(String(i), element));
    if (!isPlainObject(item)) throw refusal("it holds something else than JSON and dates");
    const members = Object.entries(item).filter(([, member]) => member !== undefined);
    return Object.fromEntries(members.map(([name, member]) => [name, within(name, member)]));
  };
  const within = (name: string, item: unknown): unknown => {
    way.push(name);
    const copy = plain(item);
    way.pop();
    return copy;
  };
  const json = plain(value);
  if (ofAll === undefined && marks.length === 0) return { json };
  return { json, meta: { values: ofAll ?? Object.fromEntries(marks), v: 1 } };
}

/**
 * @param payload from JSON.parse; it is changed: dates are put into it
 * @throws {TenantSecretsError} INVALID_INPUT for any other mark, and for one that does not fit its place
 */
function deserialize(payload: unknown, maxMarks: number): unknown {
  if (!isPlainObject(payload) || !hasOnly(payload, ["json", "meta"])) throw unreadable();
  const { json, meta } = payload;
  if (meta === undefined) return json;
  if (!isPlainObject(meta) || !hasOnly(meta, ["values", "v"])) throw unreadable();
  const { values, v } = meta;
  if (v !== undefined && v !== 1) throw unreadable();
  if (values === undefined) return json;
  if (Array.isArray(values)) return revived(json, values);
  if (!isPlainObject(values)) throw unreadable();
  const marks = Object.entries(values);
  if (marks.length > maxMarks) throw unreadable();
  for (const [path, kind] of marks) mendAt(json, wayOf(path), kind);
  return json;
}

function mendAt(json: unknown, way: readonly string[], kind: unknown): void {
  let place = json;
  for (const [i, name] of way.entries()) {
    if (!isContainer(place) || !Object.hasOwn(place, name)) throw unreadable();
    if (i === way.length - 1) place[name] = revived(place[name], kind);
    else place = place[name];
  }
}

function revived(item: unknown, mark: unknown): unknown {
  if (!Array.isArray(mark) || mark.length !== 1) throw unreadable();
  if (mark[0] === "undefined" && item === null) return undefined;
  if (mark[0] === "Date" && typeof item === "string" && isoDate.test(item)) {
    const date = new Date(item);
    if (!Number.isNaN(date.getTime())) return date;
  }
  throw unreadable();
}

const isoDate = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

function escaped(name: string): string {
  return name.replaceAll("\\", "\\\\").replaceAll(".", "\\.");
}

/** @returns the names of a path, of which there is at least one */
function wayOf(path: string): readonly string[] {
  const way = [""];
  for (const [part] of path.matchAll(/\\[\\.]|[^\\.]+|./gsu)) {
    if (part === "\\") throw unreadable();
    if (part === ".") way.push("");
    else way.push(`${way.pop() ?? ""}${part.startsWith("\\") ? part.slice(1) : part}`);
  }
  return way;
}

function isPlainObject(item: unknown): item is Readonly<Record<string, unknown>> {
  if (typeof item !== "object" || item === null) return false;
  // Not compared with Object.prototype: where tests run in contexts of their own there are several.
  const prototype: unknown = Object.getPrototypeOf(item);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Of an array the elements are its members; what is put into one was checked to have been there. */
function isContainer(item: unknown): item is Record<string, unknown> {
  return isPlainObject(item) || Array.isArray(item);
}

function hasOnly(item: object, names: readonly string[]): boolean {
  return Object.keys(item).every((name) => names.includes(name));
}

function unreadable(): TenantSecretsError {
  return new TenantSecretsError(
    "INVALID_INPUT",
    "The request's `meta` marks something other than dates and what is left out, or too much.",
  );
}
