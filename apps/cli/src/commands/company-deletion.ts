import type { CompanyDeletion } from "@repo/catalog";
import { withApi } from "../api.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../failure.ts";
import { writeNewFile } from "../new-file.ts";
import { minute, print, printJson } from "../output.ts";
import { newFile } from "./common-options.ts";
import { confirmedEnding, endingOptions } from "./company-ending.ts";

const credential = "TENANT_SECRETS_OPERATOR_TOKEN";

export const deleteCommand = defineCommand({
  positionals: ["company"],
  options: {
    after: { type: "string", required: true, value: "days", field: "afterDays", help: "1d to 365d" },
    ...endingOptions,
  },
  details: `The company is suspended now. At the date its keys are destroyed, and its values, people, invitations, API keys, webhook
endpoints and rotation policies are removed. Until then "companies keep" undoes it. Another operator approves it first. Its
subdomains and folder are never given to another company. For operators. docs/companies.md has the whole procedure.`,
  examples: ["companies delete acmecorp --after 30d --backups-kept-days 30"],
  run: async ({ company, after, json, ...values }) => {
    const afterDays = Number(/^(\d{1,3})d$/.exec(after)?.[1]);
    if (!(afterDays >= 1 && afterDays <= 365))
      throw new UsageError("--after is a number of days, 1d to 365d.");
    const effect = `This suspends ${company} now, and deletes it after ${afterDays} days.`;
    const options = await confirmedEnding(company, effect, values);
    const deletion = await withApi(credential, (api) =>
      api.companies.delete.mutate({ company, afterDays, ...options }),
    );
    if (json) printJson(deletion);
    else
      print(
        `${company} is suspended, and is deleted at ${minute(deletion.deleteAt)}. To undo: companies keep ${company}`,
      );
  },
});

export const keepCommand = defineCommand({
  positionals: ["company"],
  options: {},
  details: `Undoes "companies delete" while nothing is destroyed. The company is open again, unless it was suspended before.
For operators.`,
  examples: ["companies keep acmecorp"],
  run: async ({ company, json }) => {
    const kept = await withApi(credential, (api) => api.companies.keep.mutate({ company }));
    if (json) printJson(kept);
    else print(`${company} is kept, and is ${kept.status}.`);
  },
});

export const deletionCommand = defineCommand({
  positionals: ["company"],
  options: { output: newFile("the receipt") },
  details: `Shows until when the deletion of a company can be undone, or how far it is. Of a company that is deleted it gives the
signed receipt. For operators.`,
  examples: ["companies deletion acmecorp", "companies deletion acmecorp --output receipt.json"],
  run: async ({ company, output, json }) => {
    const deletion = await withApi(credential, (api) => api.companies.deletion.query({ company }));
    if (output !== undefined) {
      const { receipt } = deletion;
      if (receipt === undefined) throw new UsageError(`${company} is not deleted: there is no receipt yet.`);
      await writeNewFile(output, async () => JSON.stringify(receipt));
    }
    if (json) printJson(deletion);
    else print(textOf(deletion));
  },
});

function textOf({ company, state, deleteAt, error, receipt }: CompanyDeletion): string {
  switch (state) {
    case "waiting":
      return `${company} is deleted at ${minute(deleteAt)}. To undo: companies keep ${company}`;
    case "kept":
      return `The deletion of ${company} was undone.`;
    case "ended":
      return `The deletion of ${company} has ended, and nothing was deleted: ${error ?? "it has another home"}`;
    case "deleting":
    case "failed":
      return `The deletion of ${company} has begun${error === undefined ? "." : `, and stopped: ${error}`}`;
    case "deleted":
      return receipt?.receipt ?? `${company} is deleted.`;
  }
}
