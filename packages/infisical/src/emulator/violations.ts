import type { z } from "zod";

/** What does not fit a schema, in the words of the library that the server uses, an earlier version of ours. */
export function violationsOf(error: z.ZodError): unknown[] {
  return error.issues.map((issue) => {
    const { code, path, message } = issue;
    if (issue.code === "invalid_type") {
      const { expected } = issue;
      const received = nameOfType(issue.input);
      const text = received === "undefined" ? "Required" : `Expected ${expected}, received ${received}`;
      return { code, expected, received, path, message: text };
    }
    if (issue.code === "invalid_value") {
      const { values: options, input: received } = issue;
      const wanted = options.map((option) => `'${String(option)}'`).join(" | ");
      const text = `Invalid enum value. Expected ${wanted}, received '${String(received)}'`;
      return { received, code: "invalid_enum_value", options, path, message: text };
    }
    return { code, path, message };
  });
}

function nameOfType(input: unknown): string {
  if (input === null) return "null";
  return Array.isArray(input) ? "array" : typeof input;
}
