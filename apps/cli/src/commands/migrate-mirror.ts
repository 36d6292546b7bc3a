import { withApi } from "../api.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../failure.ts";
import { exitCodesHelp, withMigrationExitCodes } from "../migrate/exit-codes.ts";
import { namedCompanies, scopeOptions } from "../migrate/scope.ts";
import { print, printJson } from "../output.ts";

export const mirrorCommand = withMigrationExitCodes(
  defineCommand({
    positionals: ["state"],
    options: { company: scopeOptions.company, "from-file": scopeOptions["from-file"] },
    details: `Says whether changes in the database are written to the companies' folders in Infisical as well: on or off. A job brings each
change there within seconds. For companies on the hybrid or the database store whose folder is still there. "migrate status" shows how
far a mirror is behind, and the values that Infisical cannot have. For operators.
${exitCodesHelp}`,
    examples: ["migrate mirror on --company codewiser", "migrate mirror off --from-file companies.txt"],
    run: async ({ state, json, company, "from-file": file }) => {
      if (state !== "on" && state !== "off") throw new UsageError("<state> is on or off.");
      const companies = await namedCompanies({ company, "from-file": file });
      const isOn = state === "on";
      await withApi("TENANT_SECRETS_OPERATOR_TOKEN", async ({ migrations }) => {
        await migrations.mirror.mutate({ companies, isOn });
      });
      if (json) return printJson({ companies, isOn });
      for (const each of companies) print(`The mirror of ${each} is ${state}.`);
    },
  }),
);
