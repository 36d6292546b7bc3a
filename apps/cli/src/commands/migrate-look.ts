import type { CompanyMigration, CompanyStore } from "@repo/catalog";
import { withApi } from "../api.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../failure.ts";
import { exitCodesHelp, withMigrationExitCodes } from "../migrate/exit-codes.ts";
import { createResults } from "../migrate/results.ts";
import { readStores } from "../migrate/stores.ts";
import { minute, print, printJson, table } from "../output.ts";
import { retryRateLimited } from "../retry-rate-limited.ts";

const storeNames = ["infisical", "hybrid", "database"] as const;
const states = ["waiting", "done", "blocked", "failed"] as const;

export const statusCommand = withMigrationExitCodes(
  defineCommand({
    positionals: [],
    options: {
      company: { type: "string", value: "subdomain", help: "This company alone" },
      store: { type: "string", value: "store", help: "Those on this store: infisical, hybrid or database" },
    },
    details: `Shows where companies' secrets are, how many of those in the database were proven equal to the folder's, and what the last
change of the store has left behind; of mirrors, how far they are behind. For operators.
${exitCodesHelp}`,
    examples: ["migrate status", "migrate status --store hybrid --json"],
    run: async ({ company, store: given, json }) => {
      const store = storeNames.find((each) => each === given);
      if (given !== undefined && store === undefined)
        throw new UsageError(`--store is one of ${storeNames.join(", ")}.`);
      const companies = await readStores({ company, store });
      if (json) return printJson({ companies });
      print(
        table(
          ["COMPANY", "STORE", "EPOCH", "SECRETS", "PROVEN", "VERIFIED", "COPY LEFT IN", "SINCE", "NOW"],
          companies.map((each) => [
            each.company.subdomain,
            each.store,
            String(each.storeEpoch),
            String(each.inDatabase),
            String(each.synced),
            each.verifiedAt === undefined ? "" : minute(each.verifiedAt),
            each.cleanedAt === undefined ? (each.leftIn ?? "") : `removed ${minute(each.cleanedAt)}`,
            each.changedAt === undefined ? "" : minute(each.changedAt),
            [
              ...(each.isHeld ? ["writes are held"] : []),
              ...(each.unsettledWrites > 0 ? [`${each.unsettledWrites} writes are out`] : []),
              ...mirrorText(each),
            ].join(", "),
          ]),
        ),
      );
      for (const { company: named, mirror } of companies)
        for (const { code, secretKey = "" } of mirror?.findings ?? [])
          print(`${named.subdomain}: not in its mirror: ${code} ${secretKey}`);
    },
  }),
);

export const companiesCommand = withMigrationExitCodes(
  defineCommand({
    positionals: ["run"],
    options: {
      state: { type: "string", value: "state", help: "Those that are waiting, done, blocked or failed" },
    },
    details: `Shows what became of each company in a migration, with its findings and what to do about them. For operators.
${exitCodesHelp}`,
    examples: ["migrate companies 0b6c4d1e-8a52-4f0e-9d43-2f6f5a7c9e10 --state blocked"],
    run: async ({ run, state: given, json }) => {
      const state = stateOf(given);
      await withApi("TENANT_SECRETS_OPERATOR_TOKEN", async ({ migrations }) => {
        const results = createResults(
          (query) => retryRateLimited(() => migrations.companies.query({ run, ...query })),
          { json, state },
        );
        const { verb, counts, foldersWithoutCompany } = await results.printRest();
        if (json) return printJson({ event: "summary", run, verb, ...counts, foldersWithoutCompany });
        const { done, blocked, failed, waiting } = counts;
        print(`${done} done, ${blocked} blocked, ${failed} failed, ${waiting} waiting.`);
      });
    },
  }),
);

/** How far its mirror is, and what comparisons of served values have found. */
function mirrorText({ isMirrored, mirror, shadowReads }: CompanyStore): readonly string[] {
  const behind = mirror === undefined || mirror.behind === 0 ? "" : `, ${mirror.behind} behind`;
  const since = mirror?.behindSince === undefined ? "" : ` since ${minute(mirror.behindSince)}`;
  const read = Object.entries(shadowReads ?? {}).filter(([, count]) => count > 0);
  return [
    ...(isMirrored ? [`mirrored${behind}${since}`] : []),
    ...(read.length === 0
      ? []
      : [`shadow reads: ${read.map(([outcome, count]) => `${count} ${outcome}`).join(" ")}`]),
  ];
}

/** @throws {UsageError} */
function stateOf(given: string | undefined): CompanyMigration["state"] | undefined {
  const state = states.find((each) => each === given);
  if (given !== undefined && state === undefined)
    throw new UsageError(`--state is one of ${states.join(", ")}.`);
  return state;
}
