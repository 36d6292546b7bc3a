import { vaultOperations } from "@repo/catalog";
import { fieldOption, type Option } from "../command.ts";

const promotion = vaultOperations.promote.input.shape;
const expiry = vaultOperations.setExpiry.input.shape;

export const company = fieldOption(vaultOperations.list.request.shape.company, {
  type: "string",
  required: true,
  value: "subdomain",
});

export const expectedVersion = fieldOption(promotion.expectedVersion, { type: "string", value: "version" });

export const pendingVersion = fieldOption(promotion.pendingVersion, { type: "string", value: "version" });

export const maxAge = fieldOption(vaultOperations.read.input.shape.maxAgeMs, {
  type: "string",
  value: "duration",
  field: "maxAgeMs",
});

export const requestId = fieldOption(promotion.requestId, { type: "string", value: "id" });

/** Of a person in a company. */
export const role = {
  type: "string",
  required: true,
  value: "role",
  help: "What the person is there: owner, admin, member or auditor",
} as const satisfies Option;

/** Why a command that reads a value takes no further argument. */
export const noValueArgument =
  "A value is never an argument: the shell's history and the list of processes would keep it. " +
  "Nothing was written. Send it to standard input, or leave it out and type it at the prompt.";

export const keepNewline = {
  type: "boolean",
  help: "Keep the newline at the end of standard input",
} as const satisfies Option;

export const note = fieldOption(vaultOperations.rollback.input.shape.note, { type: "string", value: "text" });

export const dateHelp = "2027-01-31, or with a time and its offset: 2027-01-31T12:00:00+01:00";

export const remind = fieldOption(expiry.reminderDays, {
  type: "string",
  value: "days",
  field: "reminderDays",
});

export const expiryOptions = {
  "expires-at": { type: "string", value: "date", help: `When it ends at its provider: ${dateHelp}` },
  remind,
} as const satisfies Record<string, Option>;

export const graceOptions = {
  grace: fieldOption(promotion.graceSeconds, { type: "string", field: "graceSeconds", value: "duration" }),
  "end-grace": fieldOption(promotion.endGrace, { type: "boolean" }),
} as const satisfies Record<string, Option>;

/** @param content the content of the file, such as "the report" */
export function newFile(content: string) {
  const help = `Write ${content} to a new file that only its owner can read`;
  return { type: "string", value: "file", help } as const satisfies Option;
}

/** Of commands that back up the master keys first. */
export const backupOptions = {
  "backup-recipient": {
    type: "string",
    multiple: true,
    value: "age1…",
    help: "Who can open the backup; may be given more than once. KEY_BACKUP_RECIPIENTS unless given",
  },
  "backup-dir": {
    type: "string",
    value: "directory",
    help: "The directory of the backup. KEY_BACKUP_DIR unless given",
  },
} as const satisfies Record<string, Option>;
