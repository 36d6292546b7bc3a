import type { ApiAnswers } from "@repo/tenant-secrets/client";

export type KeyBackup = ApiAnswers["keys"]["backups"][number];
export type MasterKey = ApiAnswers["keys"]["status"]["versions"][number];

interface BackupWarning {
  readonly kind: "warn" | "danger";
  readonly title: string;
  readonly text: string;
  /** What puts it right. */
  readonly command: string;
}

const dayMs = 86_400_000;
/** As long as a master key is in use before its rotation is due. */
const oldAfterDays = 90;

const make = "pnpm secrets keys backup --recipient age1… --output keys.age";
const check = "pnpm secrets keys check-backup --input keys.age --identity-file identity.txt";

/**
 * What the newest backup lacks, the worst first. A backup that other hands made is in the list once it was checked.
 *
 * @param backups the newest first
 */
export function warningOf(
  backups: readonly KeyBackup[],
  versions: readonly MasterKey[],
  now: number,
): BackupWarning | undefined {
  const [newest] = backups;
  if (newest === undefined) {
    return {
      kind: "danger",
      title: "No backup of the keys is known",
      text: "If Infisical is lost without one, every value is lost with it.",
      command: make,
    };
  }
  const { createdAt, lastCheck } = newest;
  const missing = versions.find((key) => key.status !== "destroyed" && key.createdAt > createdAt);
  if (missing !== undefined) {
    return {
      kind: "danger",
      title: `No backup has master key ${missing.version}`,
      text: "The newest backup is from before that key was made.",
      command: make,
    };
  }
  if (lastCheck?.complete === false) {
    return {
      kind: "danger",
      title: "The newest backup lacks keys",
      text: "Its last check found keys of the registry that are not in it.",
      command: make,
    };
  }
  const days = Math.floor((now - createdAt.getTime()) / dayMs);
  if (days >= oldAfterDays) {
    return {
      kind: "warn",
      title: `The newest backup is ${days} days old`,
      text: "It has every master key. Make a newer one, and check that its file can be opened.",
      command: make,
    };
  }
  if (lastCheck === undefined) {
    return {
      kind: "warn",
      title: "The newest backup was never checked",
      text: "A check opens its file, and compares its keys with the registry.",
      command: check,
    };
  }
  return undefined;
}
