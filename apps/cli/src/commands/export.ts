import { withApi } from "../api.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../failure.ts";
import { writeNewFile } from "../new-file.ts";
import { printJson, printValue, remark } from "../output.ts";
import { company } from "./common-options.ts";

export const exportCommand = defineCommand({
  positionals: [],
  options: {
    company,
    format: { type: "string", required: true, value: "format", help: "env or json" },
    purpose: {
      type: "string",
      required: true,
      value: "purpose",
      help: "What for, for the audit log: set-up, debugging, incident or hand-over",
    },
    output: {
      type: "string",
      value: "file",
      help: "A new file that only you can read; without it, standard output",
    },
  },
  details: `Writes every value that the credential may have, in the clear, as a file that "import" reads back byte for byte.
It needs an API key that was made with the verb export. Each secret is audited before it is written. Write-only
secrets and secrets outside the catalogue are left out and named on standard error. Delete the file after use.`,
  examples: [
    "export --company acmecorp --format env --purpose hand-over --output acmecorp.env",
    "export --company acmecorp --format json --purpose incident | age -r age1… > acmecorp.json.age",
  ],
  run: async ({ company: subdomain, output, json, ...values }) => {
    const { RevealPurpose } = await import("@repo/catalog");
    const purpose = RevealPurpose.safeParse(values.purpose).data;
    if (purpose === undefined) {
      throw new UsageError(`--purpose is one of ${RevealPurpose.options.join(", ")}.`);
    }
    const format = formats.find((known) => known === values.format);
    if (format === undefined) throw new UsageError("--format is env or json.");
    const call = () =>
      withApi("TENANT_SECRETS_API_KEY", (api) =>
        api.secrets.export.mutate({ company: subdomain, format, purpose }),
      );
    if (output === undefined) {
      const { file, ...exported } = await call();
      if (json) printJson({ company: subdomain, ...exported, file });
      else printValue(file);
      return report(subdomain, exported);
    }
    await writeNewFile(output, async () => {
      const { file, ...exported } = await call();
      if (json) printJson({ company: subdomain, ...exported });
      report(subdomain, exported);
      return file;
    });
  },
});

const formats = ["env", "json"] as const;

interface Exported {
  readonly secretKeys: readonly string[];
  readonly leftOut: readonly { readonly secretKey: string; readonly reason: keyof typeof reasons }[];
}

const reasons = {
  "write-only": "which is write-only",
  "not-in-catalogue": "not in the catalogue",
  unusable: "which in Infisical is no value: empty, too long, or with characters that no value has",
};

function report(subdomain: string, { secretKeys, leftOut }: Exported): void {
  for (const { secretKey, reason } of leftOut) remark(`Left out: ${secretKey}, ${reasons[reason]}.`);
  remark(`${secretKeys.length} secrets of ${subdomain}, in the clear.`);
}
