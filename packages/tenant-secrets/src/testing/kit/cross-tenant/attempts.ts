import { isDeepStrictEqual } from "node:util";

/** Two inputs that differ in one thing: what they name is another tenant's, or does not exist. */
export interface Attempt {
  /** Which part of the input it is. */
  readonly field: string;
  readonly foreign: unknown;
  readonly absent: unknown;
}

/**
 * What a tenant can send to reach what is another one's: an input that names nothing else, and its own with one foreign part, in the place of
 * its own part and beside it in a list.
 */
export function attemptsOf(own: unknown, foreign: unknown, absent: unknown): readonly Attempt[] {
  if (isDeepStrictEqual(own, foreign)) return [];
  const parts = partsOf(own, foreign, absent);
  const whole = { field: "the whole input", foreign, absent };
  const isAll = parts.some((part) => isDeepStrictEqual(part.foreign, foreign));
  return isAll ? parts : [whole, ...parts];
}

function partsOf(own: unknown, foreign: unknown, absent: unknown): readonly Attempt[] {
  if (isDeepStrictEqual(own, foreign)) return [];
  if (Array.isArray(own) && Array.isArray(foreign) && Array.isArray(absent)) {
    return [
      { field: "", foreign, absent },
      { field: " beside one's own", foreign: [...own, ...foreign], absent: [...own, ...absent] },
    ];
  }
  if (isRecord(own) && isRecord(foreign) && isRecord(absent)) {
    return Object.keys(foreign).flatMap((name) =>
      partsOf(own[name], foreign[name], absent[name]).map((part) => ({
        field: part.field === "" || part.field.startsWith(" ") ? name + part.field : `${name}.${part.field}`,
        foreign: { ...own, [name]: part.foreign },
        absent: { ...own, [name]: part.absent },
      })),
    );
  }
  return [{ field: "", foreign, absent }];
}

/** The texts and numbers of an input that another one does not have. */
export function namesIn(input: unknown, other: unknown): ReadonlySet<string> {
  const others = new Set(leavesOf(other));
  return new Set(leavesOf(input).filter((leaf) => leaf !== "" && !others.has(leaf)));
}

function leavesOf(input: unknown): readonly string[] {
  if (typeof input === "string") return [input];
  if (typeof input === "number" || typeof input === "bigint") return [String(input)];
  if (input instanceof Date || typeof input !== "object" || input === null) return [];
  return Object.values(input).flatMap(leavesOf);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
