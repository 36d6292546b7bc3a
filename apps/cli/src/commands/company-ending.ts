import { companiesOperations } from "@repo/catalog";
import { confirmTyped } from "../arguments.ts";
import { fieldOption, type Option } from "../command.ts";
import { UsageError } from "../failure.ts";

const input = companiesOperations.shred.input.shape;

/** Of the two commands that end a company: at once by its keys, or at a date with all that it has. */
export const endingOptions = {
  "backups-kept-days": fieldOption(input.backupsKeptDays, { type: "string", required: true, value: "days" }),
  "with-infisical-folder": fieldOption(input.withInfisicalFolder, { type: "boolean" }),
  yes: { type: "boolean", help: "Do not ask; needs --confirm" },
  confirm: { type: "string", value: "subdomain", help: "With --yes: the company's subdomain once more" },
} as const satisfies Record<string, Option>;

interface EndingValues {
  readonly "backups-kept-days": string;
  readonly "with-infisical-folder": boolean;
  readonly yes: boolean;
  readonly confirm?: string | undefined;
}

/**
 * @param effect of the command, as a sentence
 * @returns what the operation takes beside the company
 * @throws {UsageError} unless the company's subdomain is typed
 */
export async function confirmedEnding(subdomain: string, effect: string, values: EndingValues) {
  const backupsKeptDays = daysOf(values["backups-kept-days"]);
  await confirmTyped({
    question: `${effect} Type the subdomain to continue`,
    expected: subdomain,
    yes: values.yes,
    typed: values.confirm,
    option: "confirm",
  });
  return { backupsKeptDays, withInfisicalFolder: values["with-infisical-folder"] };
}

function daysOf(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new UsageError("--backups-kept-days is a number of days, such as 30.");
  return Number(text);
}
