import type { Option } from "../command.ts";

export const company = {
  type: "string",
  required: true,
  value: "subdomain",
  help: "The company, by its subdomain",
} as const satisfies Option;

export const expectedVersion = {
  type: "string",
  value: "version",
  help: "Do it only if this is the current version; else exit code 5",
} as const satisfies Option;

export const requestId = {
  type: "string",
  value: "id",
  help: "An id of this change: sent again within 24 hours, it is applied once",
} as const satisfies Option;

export const dateHelp = "2027-01-31, or with a time and its offset: 2027-01-31T12:00:00+01:00";

export const remind = {
  type: "string",
  value: "days",
  field: "reminderDays",
  help: "How many days before that to remind: 30,7,1 is the default",
} as const satisfies Option;

export const expiryOptions = {
  "expires-at": { type: "string", value: "date", help: `When it ends at its provider: ${dateHelp}` },
  remind,
} as const satisfies Record<string, Option>;

export const graceOptions = {
  grace: {
    type: "string",
    field: "graceSeconds",
    value: "duration",
    help: "How long the replaced version stays active: 24h, at most 30d",
  },
  "end-grace": {
    type: "boolean",
    help: "End the grace windows of all earlier values, such as after a leak; without it, they last",
  },
} as const satisfies Record<string, Option>;

/** @param content what is written, such as "the report" */
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
