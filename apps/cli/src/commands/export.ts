import { type ExportedSecrets, recipientsFault, vaultOperations } from "@repo/catalog";
import { withApi } from "../api.ts";
import { defineCommand, fieldOption } from "../command.ts";
import { UsageError } from "../failure.ts";
import { writeNewFile } from "../new-file.ts";
import { printJson, printValue, remark } from "../output.ts";
import { company } from "./common-options.ts";
import { requireFileOf } from "./exported-file.ts";

const { recipients: recipientsField } = vaultOperations.export.input.shape;

export const exportCommand = defineCommand({
  positionals: [],
  options: {
    company,
    format: { type: "string", value: "format", help: "env or json; env unless given" },
    purpose: {
      type: "string",
      required: true,
      value: "purpose",
      help: "What for, for the audit log: set-up, debugging, incident or hand-over",
    },
    recipient: fieldOption(recipientsField, {
      type: "string",
      multiple: true,
      value: "age1…",
      field: "recipients",
    }),
    output: {
      type: "string",
      value: "file",
      help: "A new file that only you can read; without it, standard output",
    },
    receipt: {
      type: "string",
      value: "file",
      help: "With --recipient: write the receipt to a new file. It can be fetched later, too: exports receipt",
    },
  },
  details: `Writes every value that the credential may have as a file that "import" reads back byte for byte. With --recipient, which may be
given more than once, the server encrypts the file, so that only the recipients open it, with "age -d -i key.txt", and signs a
receipt of what was handed over to whom. Without it, the values are in the clear: delete the file after use.
It needs an API key that was made with the verb export. Each secret is audited before it is written. Write-only
secrets and secrets outside the catalogue are left out and named on standard error.`,
  examples: [
    "export --company acmecorp --purpose hand-over --recipient age1… --output acmecorp.age --receipt acmecorp.receipt.json",
    "export --company acmecorp --format json --purpose incident --output acmecorp.json",
  ],
  run: async ({
    company: subdomain,
    output,
    receipt: receiptPath,
    recipient: recipients,
    json,
    ...values
  }) => {
    const { RevealPurpose } = await import("@repo/catalog");
    const purpose = RevealPurpose.safeParse(values.purpose).data;
    if (purpose === undefined) {
      throw new UsageError(`--purpose is one of ${RevealPurpose.options.join(", ")}.`);
    }
    const format = formats.find((known) => known === (values.format ?? "env"));
    if (format === undefined) throw new UsageError("--format is env or json.");
    const isEncrypted = recipients.length > 0;
    // Here, and not at the server: what is wrong may be a private key.
    const fault = isEncrypted ? recipientsFault(recipients) : undefined;
    if (fault !== undefined) throw new UsageError(`--recipient: ${fault}`);
    if (receiptPath !== undefined && !isEncrypted)
      throw new UsageError("--receipt goes with --recipient: an export in the clear has no receipt.");
    const call = async (): Promise<ExportedSecrets> => {
      const exported = await withApi("TENANT_SECRETS_API_KEY", (api) =>
        api.secrets.export.mutate({
          company: subdomain,
          format,
          purpose,
          ...(isEncrypted && { recipients }),
        }),
      );
      if (isEncrypted) await requireFileOf(exported.receipt, Buffer.from(exported.file), recipients);
      return exported;
    };
    const exported = await intoFile(
      { option: "receipt", path: receiptPath },
      () => intoFile({ option: "output", path: output }, call, ({ file }) => file),
      ({ receipt }) => `${JSON.stringify(receipt)}\n`,
    );
    const { file, ...rest } = exported;
    if (json) printJson({ company: subdomain, ...rest, ...(output === undefined && { file }) });
    else if (output === undefined) printValue(file);
    report(subdomain, exported, recipients.length);
  },
});

const formats = ["env", "json"] as const;

/** Writes a text of what is made to a new file, which there is a place for before it is made. Without a path it is made alone. */
async function intoFile<T extends object>(
  { option, path }: { readonly option: string; readonly path: string | undefined },
  make: () => Promise<T>,
  textOf: (made: T) => string,
): Promise<T> {
  if (path === undefined) return make();
  let made: T | undefined;
  await writeNewFile(
    path,
    async () => {
      made = await make();
      return textOf(made);
    },
    option,
  );
  if (made === undefined) throw new Error("what is written was made");
  return made;
}

const reasons = {
  "write-only": "which is write-only",
  "not-in-catalogue": "not in the catalogue",
  unusable: "which in Infisical is no value: empty, too long, or with characters that no value has",
};

function report(subdomain: string, { secretKeys, leftOut }: ExportedSecrets, recipients: number): void {
  for (const { secretKey, reason } of leftOut) remark(`Left out: ${secretKey}, ${reasons[reason]}.`);
  const how =
    recipients === 0
      ? "in the clear"
      : `encrypted to ${recipients === 1 ? "1 recipient" : `${recipients} recipients`}`;
  remark(`${secretKeys.length} secrets of ${subdomain}, ${how}.`);
}
