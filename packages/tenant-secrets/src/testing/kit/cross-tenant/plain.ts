/** Fields of errors that differ from call to call. */
const ofTheCall: ReadonlySet<string> = new Set(["stack", "requestId"]);
/** Numbers that are never an id. */
const ofTheProtocol: ReadonlySet<string> = new Set(["code", "httpStatus"]);
const maxDepth = 30;

/**
 * A value as plain data, in which what the caller itself sent is replaced: an answer may quote it.
 *
 * @param sent the texts and numbers that were sent, as texts
 */
export function plainOf(value: unknown, sent: ReadonlySet<string>, depth = 0): unknown {
  if (typeof value === "string") return withoutSent(value, sent);
  if (typeof value === "number" || typeof value === "bigint") {
    return sent.has(String(value)) ? "<sent>" : String(value);
  }
  if (typeof value !== "object" || value === null) return value;
  if (depth > maxDepth) return "<deep>";
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return withoutSent(Buffer.from(value).toString("utf8"), sent);
  if (value instanceof Map || value instanceof Set || Array.isArray(value)) {
    return [...value].map((each) => plainOf(each, sent, depth + 1));
  }
  const fields = Object.entries(value).filter(([name]) => !ofTheCall.has(name));
  return Object.fromEntries(
    fields
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, field]) => [
        withoutSent(name, sent),
        ofTheProtocol.has(name) ? field : plainOf(field, sent, depth + 1),
      ]),
  );
}

function withoutSent(text: string, sent: ReadonlySet<string>): string {
  let left = text;
  for (const each of sent) {
    const word = each.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
    left = left.replaceAll(new RegExp(`(?<![A-Za-z0-9])${word}(?![A-Za-z0-9])`, "g"), "<sent>");
  }
  return left;
}

/** Every text in plain data, names of fields as well. */
export function textsIn(plain: unknown): readonly string[] {
  if (typeof plain === "string") return [plain];
  if (typeof plain !== "object" || plain === null) return [];
  return Object.entries(plain).flatMap(([name, field]) => [name, ...textsIn(field)]);
}
