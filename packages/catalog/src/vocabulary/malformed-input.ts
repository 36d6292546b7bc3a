import { z } from "zod";
import { TenantSecretsError } from "./errors.ts";

const rules = new Set<string>();

/**
 * A rule of ours for a field of an input, as the error of a check of zod: the sender is told it after the field's
 * name. Of zod's own sentences, which can quote what was sent, none is shown.
 *
 * @param text such as "is a whole number of 1 to 100"
 */
export function rule(text: string): string {
  rules.add(text);
  return text;
}

/** So many fields are named; of 1,000 that do not fit, the next ones say nothing new. */
const maxNamed = 5;

/**
 * The error of an input that does not have its form. It names fields, and no more than a few; zod's own sentences can quote
 * what was sent, so they stay behind.
 */
export function malformedInput(cause: unknown): TenantSecretsError {
  const issues = cause instanceof z.ZodError ? cause.issues : [];
  const named = issues.flatMap((issue) => {
    const path = issue.path.map(String).join(".");
    if (!/^[A-Za-z0-9.]{1,60}$/.test(path)) return [];
    return issue.code === "too_big" ? [`${path} (at most ${String(issue.maximum)})`] : [path];
  });
  const fields = [...new Set(named)];
  const ruled = issues.find(
    ({ message, path }) => rules.has(message) && named.includes(path.map(String).join(".")),
  );
  if (ruled !== undefined) {
    return new TenantSecretsError(
      "INVALID_INPUT",
      `The request was refused: ${ruled.path.map(String).join(".")} ${ruled.message}.`,
      { fields: [String(ruled.path[0])] },
    );
  }
  if (fields.length === 0) {
    return new TenantSecretsError(
      "INVALID_INPUT",
      "The request does not have the form that this procedure takes.",
    );
  }
  const more = fields.length > maxNamed ? ` and ${fields.length - maxNamed} more` : "";
  return new TenantSecretsError(
    "INVALID_INPUT",
    `The request was refused: ${fields.slice(0, maxNamed).join(", ")}${more} does not have the form that this procedure takes.`,
    {
      fields: [...new Set(issues.map(({ path }) => String(path[0])))].filter((field) =>
        isNamed(field, fields),
      ),
    },
  );
}

function isNamed(field: string, paths: readonly string[]): boolean {
  return paths.some((path) => path.split(/[. ]/, 1)[0] === field);
}
