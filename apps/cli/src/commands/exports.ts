import { withApi } from "../api.ts";
import { defineCommand } from "../command.ts";
import { writeNewFile } from "../new-file.ts";
import { minute, print, printJson, table } from "../output.ts";
import { company, newFile } from "./common-options.ts";

const whose = `Needs an operator's token; owners and admins have the receipts in the admin app.`;

export const listCommand = defineCommand({
  positionals: [],
  options: {
    company,
    cursor: { type: "string", value: "id", help: "The next page: those before this export" },
  },
  details: `Lists the encrypted exports of a company, the latest first, 100 a page: who exported how many secrets to whom, and what the
encrypted file is. Those of a deleted company, too. ${whose}`,
  examples: ["exports list --company acmecorp", "exports list --company acmecorp --json"],
  run: async ({ company: subdomain, cursor, json }) => {
    const page = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.exports.list.query({ company: subdomain, cursor }),
    );
    if (json) return printJson(page);
    if (page.exports.length === 0) return print("There are none.");
    print(
      table(
        ["EXPORT", "EXPORTED", "BY", "PURPOSE", "SECRETS", "LEFT OUT", "RECIPIENTS", "SHA-256"],
        page.exports.map(({ id, exportedAt, facts }) => [
          id,
          minute(exportedAt),
          ...(facts === undefined
            ? ["its receipt is damaged"]
            : [
                facts.exportedByName ?? facts.exportedBy,
                facts.purpose,
                String(facts.secrets),
                String(facts.leftOut),
                facts.recipients.map((recipient) => `${recipient.slice(0, 12)}…`).join(", "),
                `${facts.sha256.slice(0, 16)}…`,
              ]),
        ]),
      ),
    );
    if (page.cursor !== undefined) print(`More with --cursor ${page.cursor}`);
  },
});

export const receiptCommand = defineCommand({
  positionals: ["export"],
  options: { company, output: newFile("the receipt") },
  details: `Gives the receipt of an encrypted export once more, as "export" did. Verify it with "keys verify-receipt". ${whose}`,
  examples: [
    "exports receipt 0198f2c4-0000-7000-8000-000000000001 --company acmecorp --output acmecorp.receipt.json",
  ],
  run: async ({ export: id, company: subdomain, output, json }) => {
    const fetch = () =>
      withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
        api.exports.receipt.query({ company: subdomain, export: id }),
      );
    if (output === undefined) return printJson(await fetch());
    await writeNewFile(output, async () => `${JSON.stringify(await fetch())}\n`);
    if (json) printJson({ output });
    else print(`The receipt is in ${output}.`);
  },
});
