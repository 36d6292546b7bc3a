import type { ApiAnswers } from "@repo/tenant-secrets/client";

export type Approval = ApiAnswers["approvals"]["list"][number];

/** What is asked for, in a few words. */
export function titleOf({ action, parameters }: Approval): string {
  switch (action) {
    case "key.shred":
      return parameters["afterDays"] === undefined
        ? `Shred ${parameters["subdomain"]}`
        : `Delete ${parameters["subdomain"]} after ${parameters["afterDays"]} days`;
    case "key.destroy":
      return `Destroy master key ${parameters["version"]}`;
    case "key.emergency-rotate":
      return `Emergency rotation of master key ${parameters["exposedVersion"]}`;
  }
}

/** What will be so afterwards, with each detail that is approved. */
export function effectOf({ action, parameters }: Approval): string {
  switch (action) {
    case "key.shred": {
      const folder = parameters["withInfisicalFolder"] === true;
      const first =
        parameters["afterDays"] === undefined
          ? "Destroys the company’s keys for good."
          : `Suspends the company now, and deletes it after ${parameters["afterDays"]} days.`;
      return `${first} Backups of the database are kept for ${parameters["backupsKeptDays"]} days; its folder in Infisical is ${folder ? "deleted too" : "left"}.`;
    }
    case "key.destroy":
      return "Deletes the key in Infisical for good. Backups of the database from its time cannot be read any more.";
    case "key.emergency-rotate":
      return `Every company gets a new key and every value is encrypted again.${parameters["revokeCredentials"] === true ? " Credentials are revoked." : ""}`;
  }
}
