import type { MigrationRequest } from "@repo/catalog";
import { wholeNumber } from "../arguments.ts";
import type { Option } from "../command.ts";
import { UsageError } from "../failure.ts";
import { readText } from "../text-file.ts";

/** Options of every verb: which companies, and how fast. */
export const scopeOptions = {
  company: {
    type: "string",
    multiple: true,
    value: "subdomain",
    field: "companies",
    help: "This company; may be given more than once",
  },
  "from-file": { type: "string", value: "file", help: "The companies of this file: one subdomain a line" },
  all: { type: "boolean", help: "All active companies that this is about" },
  rate: {
    type: "string",
    value: "number",
    field: "ratePerMinute",
    help: 'Requests to Infisical a minute, of all migrations together: 60 unless given, or "unlimited"',
  },
} as const satisfies Record<string, Option>;

export interface ScopeValues {
  readonly company: readonly string[];
  readonly "from-file": string | undefined;
  readonly all: boolean;
  readonly rate: string | undefined;
}

export type Scope = Pick<MigrationRequest, "companies" | "ratePerMinute">;

/** @throws {UsageError} unless companies are named in one way */
export async function scopeOf({ company, "from-file": file, all, rate }: ScopeValues): Promise<Scope> {
  const ratePerMinute = rate === "unlimited" ? null : (wholeNumber("rate", rate) ?? 60);
  const ways = [company.length > 0, file !== undefined, all].filter(Boolean).length;
  if (ways === 1) {
    const named = file === undefined ? company : linesOf(await readText("from-file", file));
    return { companies: all ? "all" : named, ratePerMinute };
  }
  throw new UsageError(
    ways === 0
      ? "Which companies? Give --company, --from-file or --all."
      : "Companies are named in one way: by --company, --from-file or --all.",
  );
}

/** Where no command means all companies. @throws {UsageError} unless companies are named in one way */
export async function namedCompanies(
  values: Pick<ScopeValues, "company" | "from-file">,
): Promise<readonly string[]> {
  const { company, "from-file": file } = values;
  if (company.length > 0 && file !== undefined)
    throw new UsageError("Companies are named in one way: by --company or --from-file.");
  if (file !== undefined) return linesOf(await readText("from-file", file));
  if (company.length === 0) throw new UsageError("Which companies? Give --company or --from-file.");
  return company;
}

/** @throws {UsageError} for a file without a line */
function linesOf(text: string): readonly string[] {
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  if (lines.length === 0) throw new UsageError("--from-file names a file without a subdomain in it.");
  return lines;
}

/** What names the same companies in another command. */
export function scopeText({ company, "from-file": file, all }: ScopeValues): string {
  if (all) return "--all";
  return file === undefined ? company.map((each) => `--company ${each}`).join(" ") : `--from-file ${file}`;
}
