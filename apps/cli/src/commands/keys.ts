import type { BackupDestination } from "@repo/tenant-secrets";
import type { RotationReport } from "@repo/tenant-secrets/operator";
import { z } from "zod";
import { parseJson } from "@repo/catalog";
import { withApi } from "../api.ts";
import { confirmTyped } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { readBackupVariables } from "../env.ts";
import { IncompleteError, UsageError } from "../failure.ts";
import { asOperator, rejectApiUrl } from "../in-process.ts";
import { listenForInterruption } from "../interruption.ts";
import { writeNewFile } from "../new-file.ts";
import { minute, print, printable, printJson, remark, table } from "../output.ts";
import { progressText } from "../run-progress.ts";
import { readText } from "../text-file.ts";
import { backupOptions, newFile } from "./common-options.ts";

const output = newFile("the report");

export const statusCommand = defineCommand({
  positionals: [],
  options: {},
  details: `Shows every version of the master key of this region: how old it is, how many keys are wrapped under it, when it
should be rotated, and a fingerprint that tells it from others; a rotation that is not finished; and the processes
that hold keys, with the versions that each has loaded. For operators.`,
  examples: ["keys status", "keys status --json"],
  run: async ({ json }) => {
    const status = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.keys.status.query());
    if (json) return printJson(status);
    const { region, versions, rotation, processes } = status;
    const now = Date.now();
    print(`Region ${region}.\n`);
    print(
      table(
        ["VERSION", "NAME", "STATUS", "ACTIVE FOR", "WRAPS", "DAMAGED", "DUE", "FINGERPRINT"],
        versions.map(({ version, name, status: state, activatedAt, dueAt, wraps, damaged, fingerprint }) => [
          String(version),
          name,
          state,
          state === "active" && activatedAt !== undefined ? days(now - activatedAt.getTime()) : "",
          String(wraps),
          String(damaged),
          dueAt === undefined ? "" : `${minute(dueAt)}${dueAt.getTime() < now ? " (overdue)" : ""}`,
          fingerprint,
        ]),
      ),
    );
    if (rotation !== undefined) {
      const { id, phase, toVersion, startedAt, driven, wrapped, total, lastError, retryAt } = rotation;
      print(
        `\nA rotation to version ${toVersion} (${id}) began ${minute(startedAt)}, and is at "${phase}": ${
          driven ? "a process drives it." : 'no process drives it; "keys rotate" continues it.'
        }`,
      );
      print(`${wrapped} of ${total} keys are wrapped under version ${toVersion}.`);
      if (lastError !== undefined) print(`The last attempt failed: ${lastError.code}: ${lastError.message}`);
      if (retryAt !== undefined) print(`A job tries again at ${minute(retryAt)}.`);
    }
    if (processes.length === 0) return print("\nNo process has keys loaded.");
    print("");
    print(
      table(
        ["PROCESS", "VERSIONS LOADED", "SEEN"],
        processes.map(({ id, versions: loaded, seenAt }) => [
          id,
          loaded.join(", "),
          `${Math.max(0, Math.round((now - seenAt.getTime()) / 1000))} s ago`,
        ]),
      ),
    );
  },
});

export const rotateCommand = defineCommand({
  positionals: [],
  options: {
    ...backupOptions,
    output,
  },
  details: `Creates a new master key in Infisical, backs up all master keys, waits until every process has loaded it, rewraps each
company's key, verifies every company with the new key alone, and retires the old one. Values do not change, and can be read
and written meanwhile. Reports each step on standard error, and prints a report that "keys verify-report" verifies. Ctrl-C
stops it between two steps. Run again after any interruption, it continues where it stopped. Works on the database and Infisical
themselves and not through an API; the machine identity has to be allowed to write in /hono-api. For operators.
docs/key-rotation.md has the whole procedure.`,
  examples: [
    "keys rotate --backup-recipient age1nl04lpcnuy8lcfmpjltprvqcywc3p07hlsa6fxyrj84cvxz0fcfsys7mvl --backup-dir /mnt/backups",
    "keys rotate --output report.json",
  ],
  run: async (values) => {
    rejectApiUrl("Keys are not rotated");
    const destination = destinationOf(values["backup-recipient"], values["backup-dir"]);
    const { checkBackupDestination } = await import("@repo/tenant-secrets/operator");
    await checkBackupDestination(destination);
    await give(values.output, () => rotate(destination));
  },
});

export const reportCommand = defineCommand({
  positionals: [],
  options: {
    rotation: {
      type: "string",
      value: "id",
      help: "Of this rotation; of the last that was finished unless given",
    },
    output,
  },
  details: "Gets the report of a finished rotation once more, as {report, mac}. For operators.",
  examples: ["keys report", "keys report --output report.json"],
  run: async ({ rotation, output: file }) => {
    if (rotation !== undefined && !z.uuid().safeParse(rotation).success)
      throw new UsageError("--rotation is the id of a rotation.");
    await give(file, async () => {
      const report = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
        api.keys.report.query(rotation === undefined ? {} : { rotation }),
      );
      if (report !== null) return report;
      const { TenantSecretsError } = await import("@repo/tenant-secrets/client");
      throw new TenantSecretsError("NOT_FOUND", "No such rotation was finished.");
    });
  },
});

export const verifyReportCommand = defineCommand({
  positionals: [],
  options: { input: { type: "string", required: true, value: "file", help: "What rotate or report wrote" } },
  details: `Checks that a report is as it was made, by the MAC of the audit log's key, and that nothing in it is left under the old
key. Exit code 1 where it is not. For operators.`,
  examples: ["keys verify-report --input report.json"],
  run: async ({ input, json }) => {
    const report = await readReport(input);
    try {
      await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.keys.verifyReport.mutate(report));
    } catch (error) {
      const { TenantSecretsError } = await import("@repo/tenant-secrets/client");
      // Genuine, and says of itself that it is incomplete.
      if (error instanceof TenantSecretsError && error.code === "CONFLICT")
        throw new IncompleteError(error.message);
      throw error;
    }
    if (json) printJson({ genuine: true });
    else print("The report is genuine, and nothing is left under the old key.");
  },
});

export const destroyCommand = defineCommand({
  positionals: ["version"],
  options: {
    yes: { type: "boolean", help: "Do not ask; needs --confirm" },
    confirm: { type: "string", value: "name", help: "With --yes: the key's name in Infisical" },
  },
  details: `Destroys a retired version of the master key for good, in the registry and in Infisical. Backups of the database from
before its rotation cannot be read any more then, unless a backup of the key is left. Asks for the key's name, which
"keys status" shows. For operators.`,
  examples: ["keys destroy 1", "keys destroy 1 --yes --confirm MASTER_ENCRYPTION_KEY"],
  run: async ({ version: typed, yes, confirm, json }) => {
    const version = Number(typed);
    if (!/^[1-9]\d{0,8}$/.test(typed)) throw new UsageError("<version> is a number, 1 or more.");
    const name = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", async (api) => {
      const { versions } = await api.keys.status.query();
      return versions.find((known) => known.version === version)?.name;
    });
    if (name === undefined) {
      const { TenantSecretsError } = await import("@repo/tenant-secrets/client");
      throw new TenantSecretsError("NOT_FOUND", 'There is no such version: see "keys status".');
    }
    await confirmTyped({
      question: `This destroys ${name} for good. Type its name to continue`,
      expected: name,
      yes,
      typed: confirm,
      option: "confirm",
    });
    await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.keys.destroy.mutate({ version }));
    if (json) printJson({ version, destroyed: true });
    else
      print(`${name} is destroyed. Delete the backups that hold it too, where it should be gone for good.`);
  },
});

function days(durationMs: number): string {
  const whole = Math.floor(durationMs / 86_400_000);
  return `${whole} ${whole === 1 ? "day" : "days"}`;
}

/** @throws {UsageError} unless it is known where a backup goes and who can open it */
export function destinationOf(
  givenRecipients: readonly string[],
  givenDirectory: string | undefined,
): BackupDestination {
  const variables = readBackupVariables();
  const recipients = givenRecipients.length > 0 ? givenRecipients : variables.recipients;
  const directory = givenDirectory ?? variables.directory;
  if (recipients.length === 0) {
    throw new UsageError(
      "A rotation first stores a backup, which needs a recipient: give --backup-recipient, with a public key that age-keygen prints, or set KEY_BACKUP_RECIPIENTS.",
    );
  }
  if (directory === undefined) {
    throw new UsageError(
      "A rotation keeps a backup first, and there is no place for it: give --backup-dir, or set KEY_BACKUP_DIR.",
    );
  }
  return { recipients, directory };
}

async function rotate(destination: BackupDestination): Promise<RotationReport> {
  const say = await createProgress();
  return asOperator(async ({ storeBackup, keyRotation }, caller) => {
    using interruption = listenForInterruption(
      "Stopping after this step. A second Ctrl-C ends at once, and the rotation can be resumed all the same.",
    );
    try {
      return await keyRotation.rotate(caller, {
        backup: async () => {
          const { file, checksum } = await storeBackup(caller, destination);
          say(`backup: ${file}, ${checksum}`);
          return checksum;
        },
        onStep: ([phase, done, progress]) => say(`${phase}: ${done}${progressText(progress)}`),
        signal: interruption.signal,
      });
    } catch (error) {
      const { RunStopped } = await import("@repo/tenant-secrets/operator");
      if (!(error instanceof RunStopped) || error.because !== "aborted") throw error;
      throw new IncompleteError(
        'Stopped between two steps. Everything can be read and written as before; "keys rotate" continues from here.',
      );
    }
  });
}

/** Says each thing once in a row, on standard error. */
async function createProgress(): Promise<(line: string) => void> {
  const { log } = await import("@clack/prompts");
  let last = "";
  return (line) => {
    if (line === last) return;
    last = line;
    if (process.stderr.isTTY) log.step(printable(line), { output: process.stderr });
    else remark(line);
  };
}

async function give(file: string | undefined, work: () => Promise<RotationReport>): Promise<void> {
  if (file === undefined) return printJson(await work());
  await writeNewFile(file, async () => `${JSON.stringify(await work())}\n`);
  remark(`The report is in ${file}.`);
}

const Report = z.strictObject({ report: z.string(), mac: z.string() });

async function readReport(file: string): Promise<RotationReport> {
  const report = Report.safeParse(parseJson(await readText("input", file))).data;
  if (report !== undefined) return report;
  throw new UsageError(
    '--input names a file that holds no report, as "keys rotate" and "keys report" write it.',
  );
}
