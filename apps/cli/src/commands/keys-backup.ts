import type { Caller, Services } from "@repo/tenant-secrets";
import { z } from "zod";
import { withApi } from "../api.ts";
import { defineCommand, type Option } from "../command.ts";
import { readVariables } from "../env.ts";
import { UsageError } from "../failure.ts";
import { asCommandLine, rejectApiUrl } from "../in-process.ts";
import { writeNewFile } from "../new-file.ts";
import { minute, print, printJson, remark, table } from "../output.ts";
import { readSecretValue } from "../secret-value.ts";
import { readText } from "../text-file.ts";

type Backups = Services["keyBackups"];
type BackupLock = Parameters<Backups["createBackup"]>[1];
type BackupOpener = Parameters<Backups["checkBackup"]>[2];

const opening = {
  input: { type: "string", required: true, value: "file", help: "The backup" },
  "identity-file": {
    type: "string",
    value: "file",
    help: "The identity of a recipient, as age-keygen writes it",
  },
  passphrase: { type: "boolean", help: "It was made with a passphrase: ask for it, or read standard input" },
} as const satisfies Record<string, Option>;

export const backupCommand = defineCommand({
  positionals: [],
  options: {
    recipient: {
      type: "string",
      multiple: true,
      value: "age1…",
      help: "Who can open it: a public key that age-keygen printed. May be given more than once",
    },
    passphrase: { type: "boolean", help: "Instead: a passphrase, from a prompt or standard input" },
    output: {
      type: "string",
      required: true,
      value: "file",
      help: "A new file, that only its owner can read",
    },
  },
  details: `Writes every master key that is not destroyed, of all regions, the registry and the secrets of the sign-in to one file in
the age format, which the ordinary age tool opens too. Each key is first verified against the registry. Neither a passphrase nor an
identity is ever an argument. Store the identity separately from the file, and the file separately from the database's
backups. Works on the database and Infisical themselves and not through an API.`,
  examples: [
    "keys backup --recipient age1nl04lpcnuy8lcfmpjltprvqcywc3p07hlsa6fxyrj84cvxz0fcfsys7mvl --output keys.age",
    "keys backup --passphrase --output keys.age",
  ],
  run: async ({ recipient, passphrase, output, json }) => {
    if (recipient.length > 0 === passphrase)
      throw new UsageError("Say whom the backup is for: --recipient, or else --passphrase.");
    const lock: BackupLock = passphrase
      ? { passphrase: await readNewPassphrase() }
      : { recipients: recipient };
    await writeNewFile(output, () =>
      withBackups((backups, caller) => backups.createBackup(caller, lock, output)),
    );
    if (json) printJson({ output });
    else
      print(`The master keys are in ${output}. "keys check-backup" says whether it opens and has them all.`);
  },
});

export const listCommand = defineCommand({
  positionals: [],
  options: {},
  details: `Shows the backups of the master keys that were made or checked: where each was written, the SHA-256 of its file, and
the last check. Whether the file is still there is not known. For operators.`,
  examples: ["keys backups", "keys backups --json"],
  run: async ({ json }) => {
    const known = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.keys.backups.query());
    if (json) return printJson(known);
    if (known.length === 0) return print('No backup is known; "keys backup" makes one.');
    print(
      table(
        ["MADE", "LAST CHECK", "", "PLACE", "FINGERPRINT"],
        known.map(({ createdAt, lastCheck, place, fingerprint }) => [
          minute(createdAt),
          lastCheck === undefined ? "" : minute(lastCheck.at),
          lastCheck === undefined ? "" : lastCheck.complete ? "complete" : "lacks a key",
          place ?? "",
          fingerprint,
        ]),
      ),
    );
  },
});

export const checkCommand = defineCommand({
  positionals: [],
  options: opening,
  details: `Opens a backup and compares it with the registry: "matches"; "missing" from the backup; "unknown" to the registry;
"destroyed" by the registry's word; "differs". No key is shown, and nothing is changed. Exit code 1 where a
key is missing or the backup is of another system. Do this after every backup, and now and then.`,
  examples: [
    "keys check-backup --input keys.age --identity-file identity.txt",
    "keys check-backup --input keys.age --passphrase",
  ],
  run: async (values) => {
    const [file, opener] = await readBackup(values);
    const check = await withBackups((backups, caller) => backups.checkBackup(caller, file, opener));
    if (values.json) printJson(check);
    else {
      print(`A backup of ${minute(check.createdAt)}.\n${keyTable(check.keys)}`);
      const versions = check.signInSecrets.join(", ");
      print(`Secrets of the sign-in: ${versions === "" ? "none" : `versions ${versions}`}.`);
      remarkUnaudited(check.isAudited);
    }
    const { TenantSecretsError } = await import("@repo/tenant-secrets/client");
    if (check.system === "another" || check.keys.some(({ state }) => state === "differs"))
      throw new TenantSecretsError("MASTER_KEY_WRONG", "This backup is of another system.");
    const missing = namesOf(check.keys, "missing");
    if (missing !== "")
      throw new TenantSecretsError("MASTER_KEY_MISSING", `The backup lacks ${missing}: make a new one.`);
  },
});

export const restoreCommand = defineCommand({
  positionals: [],
  options: {
    ...opening,
    yes: { type: "string", value: "region", help: "Do not ask: the name of this deployment's region" },
  },
  details: `Puts master keys back into Infisical where they are missing there. Nothing is ever replaced: if Infisical has
another value under one of the names, the name is reported and nothing is changed. Keys that the registry lists as
destroyed, or does not list, are not restored; an empty registry gets the backup's rows. The secrets of the sign-in
come back where Infisical has none of them. The machine identity has
to be allowed to write in /hono-api for this. Asks for the region's name (MASTER_KEY_REGION) first. Exit
code 1 if a key is still missing afterwards.`,
  examples: [
    "keys restore --input keys.age --identity-file identity.txt",
    "keys restore --input keys.age --identity-file identity.txt --yes default",
  ],
  run: async (values) => {
    await confirmRegion(values.yes);
    const [file, opener] = await readBackup(values);
    const restored = await withBackups((backups, caller) => backups.restoreBackup(caller, file, opener));
    if (values.json) printJson(restored);
    else {
      print(keyTable(restored.keys));
      for (const { version, state } of restored.signInSecrets)
        print(`Version ${version} of the secret of the sign-in: ${state}.`);
      if (restored.registered) print("The registry was empty, and has the backup's rows now.");
      remarkUnaudited(restored.isAudited);
    }
    const missing = namesOf(restored.keys, "missing");
    if (missing === "") return;
    const { TenantSecretsError } = await import("@repo/tenant-secrets/client");
    throw new TenantSecretsError(
      "MASTER_KEY_MISSING",
      `The registry needs ${missing}, which neither Infisical nor this backup has: find a newer backup.`,
    );
  },
});

type Keys = readonly { readonly region: string; readonly version: number; readonly state: string }[];

function keyTable(keys: Keys): string {
  return table(
    ["REGION", "VERSION", "STATE"],
    keys.map(({ region, version, state }) => [region, String(version), state]),
  );
}

function namesOf(keys: Keys, wanted: string): string {
  return keys
    .filter(({ state }) => state === wanted)
    .map(({ region, version }) => `version ${version} of region ${region}`)
    .join(", ");
}

function remarkUnaudited(isAudited: boolean): void {
  if (!isAudited)
    remark("This is not in the audit log: the master key that the audit log needs is not there.");
}

/** @throws {UsageError} unless the region's name is typed, here or beforehand */
async function confirmRegion(typed: string | undefined): Promise<void> {
  const { MASTER_KEY_REGION: region } = readVariables({ MASTER_KEY_REGION: z.string().default("default") });
  let answer: unknown = typed;
  if (typed === undefined) {
    if (!process.stdin.isTTY)
      throw new UsageError("There is no terminal to ask at: confirm with --yes and the region's name.");
    const { text } = await import("@clack/prompts");
    answer = await text({
      message: `Type the region's name, "${region}", to continue`,
      output: process.stderr,
    });
  }
  if (answer !== region) throw new UsageError("That is not this deployment's region: nothing was changed.");
}

interface Opening {
  readonly input: string;
  readonly "identity-file": string | undefined;
  readonly passphrase: boolean;
}

async function readBackup(values: Opening): Promise<readonly [string, BackupOpener]> {
  const identityFile = values["identity-file"];
  if ((identityFile !== undefined) === values.passphrase)
    throw new UsageError("Say what opens the backup: --identity-file, or else --passphrase.");
  const file = await readText("input", values.input);
  if (identityFile !== undefined)
    return [file, { identityFile: await readText("identity-file", identityFile) }];
  return [file, { passphrase: await readSecretValue("The backup's passphrase", false) }];
}

/** A terminal asks for the passphrase twice: a typing error would make the backup unreadable. */
async function readNewPassphrase(): Promise<string> {
  const passphrase = await readSecretValue("A passphrase of 20 characters or more", false);
  if (process.stdin.isTTY && (await readSecretValue("The same once more", false)) !== passphrase)
    throw new UsageError("These are two passphrases: nothing was written.");
  return passphrase;
}

async function withBackups<T>(work: (backups: Backups, caller: Caller) => Promise<T>): Promise<T> {
  rejectApiUrl("Keys are not backed up");
  return asCommandLine((secrets, caller) => work(secrets.keyBackups, caller));
}
