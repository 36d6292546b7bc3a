import type { BackupDestination, Services } from "@repo/tenant-secrets";
import { confirmTyped } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { IncompleteError } from "../failure.ts";
import { asOperator, rejectApiUrl } from "../in-process.ts";
import { writeNewFile } from "../new-file.ts";
import { minute, print, printJson, remark, table } from "../output.ts";
import { backupOptions } from "./common-options.ts";
import { destinationOf } from "./keys.ts";

type Result = Awaited<ReturnType<Services["emergencyRotation"]>>;
type Options = Pick<Parameters<Services["emergencyRotation"]>[1], "revokeCredentials" | "restart">;

const word = "replace-all-keys";

export const emergencyRotateCommand = defineCommand({
  positionals: [],
  options: {
    output: {
      type: "string",
      required: true,
      value: "file",
      help: "Write the list of exposed credentials, as JSON, to a new file that only its owner can read",
    },
    "revoke-credentials": {
      type: "boolean",
      help: "Revoke every API key and operator's token from before the start, yours included, and all that these create meanwhile",
    },
    restart: {
      type: "boolean",
      help: "Start with another new master key, even if an earlier run is unfinished",
    },
    ...backupOptions,
    yes: { type: "boolean", help: "Do not ask; needs --confirm" },
    confirm: { type: "string", value: word, help: `With --yes: ${word}` },
  },
  details: `For use after a key, values or a process may have been exposed. Makes a new master key, a new key for the audit log and
for every company, re-encrypts all values, and destroys the old companies' keys. Then lists what no key can mend: every
company's third-party credentials, each to be replaced at its provider. After an interruption it continues
when it is run again, with another --output. Works on the database and Infisical themselves and not through an API. For
operators. docs/emergency-rotation.md has the whole procedure.`,
  examples: [
    "keys emergency-rotate --output list.json --revoke-credentials",
    `keys emergency-rotate --output list.json --yes --confirm ${word}`,
  ],
  run: async ({ output, restart, yes, confirm, json, ...values }) => {
    rejectApiUrl("An emergency rotation is not run");
    const destination = destinationOf(values["backup-recipient"], values["backup-dir"]);
    const { checkBackupDestination } = await import("@repo/tenant-secrets/operator");
    await checkBackupDestination(destination);
    await confirmTyped({
      question: `This replaces every key. Type ${word} to continue`,
      expected: word,
      yes,
      typed: confirm,
      option: "confirm",
    });
    let result: Result | undefined;
    await writeNewFile(output, async () => {
      result = await answer(destination, { revokeCredentials: values["revoke-credentials"], restart });
      return `${JSON.stringify(result, null, 2)}\n`;
    });
    if (result === undefined) throw new Error("the list was written");
    if (json) printJson({ output, ...result });
    else print(`${textOf(result)}\n\nThe list is in ${output}.`);
    if (result.remainders.length > 0) {
      throw new IncompleteError(
        `Something is left undone for ${result.remainders.length} of the companies, each listed with its reason. docs/emergency-rotation.md says what to do.`,
      );
    }
  },
});

function answer(destination: BackupDestination, options: Options): Promise<Result> {
  return asOperator(({ emergencyRotation, storeBackup }, caller) =>
    emergencyRotation(caller, {
      ...options,
      onStep: remark,
      rotation: {
        backup: async () => {
          const { file, checksum } = await storeBackup(caller, destination);
          remark(`backup: ${file}, ${checksum}`);
          return checksum;
        },
        onStep: ([phase, done]) => remark(`master key, ${phase}: ${done}`),
      },
    }),
  );
}

function textOf({ masterKeyVersion, companies, revoked, credentials, remainders }: Result): string {
  const parts = [
    `Version ${masterKeyVersion} of the master key is in use, and ${companies} companies have new keys.`,
  ];
  if (revoked !== undefined) {
    parts.push(`Revoked: ${revoked.apiKeys} API keys, ${revoked.operators} operators' tokens.`);
  }
  if (remainders.length > 0) {
    const rows = remainders.map(({ company, undone, message }) => [company, undone, message]);
    parts.push(`Left undone:\n${table(["COMPANY", "WHAT", "WHY"], rows)}`);
  }
  if (credentials.length > 0) parts.push("To be replaced at their providers, now:");
  for (const [company, secrets] of Map.groupBy(credentials, (credential) => credential.company)) {
    const rows = secrets.map(({ secretKey, label, version, updatedAt, lastFour }) => [
      secretKey,
      label ?? "",
      version === 0 ? "" : String(version),
      minute(updatedAt),
      lastFour === undefined ? "" : `…${lastFour}`,
    ]);
    parts.push(`${company}\n${table(["SECRET KEY", "LABEL", "VERSION", "UPDATED", "ENDS WITH"], rows)}`);
  }
  return parts.join("\n\n");
}
