import { withApi, type Api } from "../api.ts";
import { confirm } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../failure.ts";
import { print, printJson, remark, table } from "../output.ts";
import { readSecretsFile } from "../secrets-file.ts";
import { company } from "./common-options.ts";

type Plan = Awaited<ReturnType<Api["secrets"]["planImport"]["mutate"]>>;

export const importCommand = defineCommand({
  positionals: ["file"],
  options: {
    company,
    format: {
      type: "string",
      value: "format",
      help: "env or json. Default: json where the file's name ends with .json, else env",
    },
    "dry-run": { type: "boolean", help: "Show what would be done, and do nothing" },
    "skip-refused": { type: "boolean", help: "Write the rest where some secrets of the file are refused" },
    note: { type: "string", value: "text", help: "Why, for the history: not a secret" },
    yes: { type: "boolean", help: "Do not ask" },
  },
  details: `Reads a .env or JSON file, or with - standard input, of at most 100 secrets. Shows what it would add, change and
leave as it is, and what it refuses and why, never a value; then asks, and writes all of it or nothing. A secret that
was changed in between is a conflict. Where anything is refused nothing is written, but for --skip-refused. Not on
Infisical. docs/import-export.md says how files are read.`,
  examples: [
    "import acmecorp.env --company acmecorp --dry-run",
    'import secrets.json --company acmecorp --yes --note "from the old vault"',
    "pass show acmecorp/env | pnpm secrets import - --company acmecorp --yes",
  ],
  run: async (values) => {
    const { company: subdomain, json } = values;
    const entries = await readSecretsFile(values.file, values.format);
    await withApi("TENANT_SECRETS_API_KEY", async (api) => {
      const plan = await api.secrets.planImport.mutate({ company: subdomain, entries });
      if (!json) print(tableOf(plan));
      if (values["dry-run"]) {
        if (json) printJson({ company: subdomain, plan });
        return;
      }
      const expected = await decide(plan, values);
      const { written } =
        expected.length === 0
          ? { written: [] }
          : await api.secrets.import.mutate({
              company: subdomain,
              entries,
              expected,
              skipRefused: values["skip-refused"],
              note: values.note,
            });
      if (json) printJson({ company: subdomain, plan, written });
      else print(`${written.length} secrets of ${subdomain} were written.`);
    });
  },
});

/** @returns the values to write and the versions that they replace. @throws {UsageError} when there are none */
async function decide(
  plan: Plan,
  values: { readonly company: string; readonly "skip-refused": boolean; readonly yes: boolean },
): Promise<{ secretKey: string; version: number }[]> {
  const refused = plan.filter(({ change }) => change === "refused").length;
  if (refused > 0 && !values["skip-refused"]) {
    throw new UsageError(
      `Nothing was written: ${refused} of the file's secrets are refused. Mend the file, or leave them out with --skip-refused.`,
    );
  }
  const expected = plan.flatMap((entry) =>
    entry.change === "added" || entry.change === "changed"
      ? [{ secretKey: entry.secretKey, version: entry.version }]
      : [],
  );
  if (refused > 0) remark(`${refused} refused secrets are left out.`);
  if (expected.length > 0) {
    await confirm(`Write ${expected.length} secrets of ${values.company}?`, values.yes);
  }
  return expected;
}

function tableOf(plan: Plan): string {
  return table(
    ["LINE", "CHANGE", "SECRET KEY", "VERSION", ""],
    plan.map((entry) =>
      entry.change === "refused"
        ? [String(entry.line), entry.change, entry.secretKey ?? "", "", entry.message]
        : [String(entry.line), entry.change, entry.secretKey, entry.version ? String(entry.version) : "", ""],
    ),
  );
}
