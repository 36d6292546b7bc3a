import type { MigrationReport } from "@repo/tenant-secrets/operator";
import { withApi } from "../api.ts";
import { defineCommand } from "../command.ts";
import { exitCodesHelp, withMigrationExitCodes } from "../migrate/exit-codes.ts";
import { writeNewFile } from "../new-file.ts";
import { print, printJson, remark } from "../output.ts";
import { readArgument, readText } from "../text-file.ts";
import { newFile } from "./common-options.ts";

export const reportCommand = withMigrationExitCodes(
  defineCommand({
    positionals: ["run"],
    options: { output: newFile("the report") },
    details: `Gets the signed report of a finished migration, as {report, signature}: what became of each company, and in what state both
sides were. It holds no value. For operators.
${exitCodesHelp}`,
    examples: ["migrate report 0b6c4d1e-8a52-4f0e-9d43-2f6f5a7c9e10 --output report.json"],
    run: async ({ run, output }) => {
      if (output === undefined) return printJson(await getReport(run));
      await writeNewFile(output, async () => `${JSON.stringify(await getReport(run))}\n`);
      remark(`The report is in ${output}.`);
    },
  }),
);

export const verifyReportCommand = withMigrationExitCodes(
  defineCommand({
    positionals: ["file"],
    options: {
      "public-key": {
        type: "string",
        required: true,
        value: "file",
        help: "The public keys, as audit public-key printed them",
      },
    },
    details: `Says whether a report is as it was signed, and what it says. Needs no database, no network and no credential.
${exitCodesHelp}`,
    examples: ["migrate verify-report report.json --public-key audit-keys.pem"],
    run: async ({ file, json, "public-key": keyFile }) => {
      const { verifyMigrationReport } = await import("@repo/tenant-secrets/operator");
      const content = verifyMigrationReport(
        await readArgument("<file>", file),
        await readText("public-key", keyFile),
      );
      if (json) printJson(content);
      else print(`The report is genuine.\n${reportText(content)}`);
    },
  }),
);

function getReport(run: string) {
  return withApi("TENANT_SECRETS_OPERATOR_TOKEN", async ({ migrations }) => {
    const signed = await migrations.report.query({ run });
    if (signed !== null) return signed;
    const { TenantSecretsError } = await import("@repo/tenant-secrets/client");
    throw new TenantSecretsError("CONFLICT", 'This migration is not finished: see "runs show".');
  });
}

function reportText({
  run,
  verb,
  deployment,
  startedBy,
  startedAt,
  finishedAt,
  companies,
  totals,
}: MigrationReport): string {
  const lines = companies.map(({ subdomain, state, from, to, counts, moved, findings, moreFindings }) =>
    [
      `${subdomain}: ${state}`,
      ...(from === null || to === null ? [] : [from === to ? `store ${to}` : `store ${from} → ${to}`]),
      ...(counts === null
        ? []
        : [
            `${counts.inFolder} in the folder`,
            `${counts.inDatabase} in the database`,
            `${counts.equal} equal`,
          ]),
      `${moved} moved`,
      ...findings,
      ...(moreFindings > 0 ? [`${moreFindings} more findings`] : []),
    ].join(", "),
  );
  const { done, blocked, failed, moved } = totals;
  return [
    `Run ${run}, ${verb}, of the database ${deployment}, by ${startedBy}, from ${startedAt} to ${finishedAt}.`,
    ...lines,
    `${done} done, ${blocked} blocked, ${failed} failed, ${moved} secrets moved.`,
  ].join("\n");
}
