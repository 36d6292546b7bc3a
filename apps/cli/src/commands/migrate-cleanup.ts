import type { CompanyStore } from "@repo/catalog";
import { confirmTyped, wholeNumber } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../failure.ts";
import { exitCodesHelp, withMigrationExitCodes } from "../migrate/exit-codes.ts";
import { migrate } from "../migrate/migrate.ts";
import { type Scope, scopeOf, scopeOptions } from "../migrate/scope.ts";
import { readStores } from "../migrate/stores.ts";
import { minute, remark, table } from "../output.ts";

const dayMs = 24 * 3_600_000;

export const cleanupCommand = withMigrationExitCodes(
  defineCommand({
    positionals: [],
    options: {
      ...scopeOptions,
      "after-days": {
        type: "string",
        value: "days",
        help: "How long ago the store was changed, 7 or more; 30 unless given",
      },
      folders: {
        type: "string",
        value: "number",
        help: "How many copies are expected to be removed, in place of the question: another number removes none",
      },
      "dry-run": { type: "boolean", help: "Compare those copies with what counts now, and remove none" },
    },
    details: `Removes the copies that changes of the store have left behind: folders in Infisical of companies on the database store, and
values in the database of companies that went back to Infisical. Lists them, and asks for their number. A copy that was
changed afterwards stays. A company without its folder cannot go back to the hybrid store; to Infisical it can. For operators.
${exitCodesHelp}`,
    examples: [
      "migrate cleanup --all --dry-run",
      "migrate cleanup --company codewiser --after-days 60",
      "migrate cleanup --all --folders 12",
    ],
    run: async ({ json, "after-days": days, folders: given, "dry-run": isDry, ...values }) => {
      const afterDays = wholeNumber("after-days", days) ?? 30;
      if (afterDays < 7) throw new UsageError("--after-days is 7 or more.");
      const typed = wholeNumber("folders", given);
      const scope = await scopeOf(values);
      const left = await findLeft(scope, afterDays);
      const subdomains = left.map(({ company }) => company.subdomain);
      if (left.length === 0)
        throw new UsageError(`No copy was left behind ${afterDays} days ago or earlier.`);
      remark(tableOf(left));
      if (isDry) {
        const { ratePerMinute } = scope;
        const request = { verb: "plan", before: "cleanup", companies: subdomains, ratePerMinute } as const;
        return migrate({ request, json, next: undefined });
      }
      await confirmTyped({
        question: `This removes these copies for good. Type their number to continue`,
        expected: String(left.length),
        yes: typed !== undefined,
        typed: typed === undefined ? undefined : String(typed),
        option: "folders",
      });
      const request = { verb: "cleanup", ...scope, afterDays, folders: left.length } as const;
      await migrate({ request, json, next: undefined });
    },
  }),
);

/** The companies whose copies are old enough; the server looks again. */
async function findLeft({ companies }: Scope, afterDays: number): Promise<readonly CompanyStore[]> {
  const before = Date.now() - afterDays * dayMs;
  const stores = await readStores({});
  const known = new Set(stores.map(({ company }) => company.subdomain));
  if (companies !== "all" && companies.some((subdomain) => !known.has(subdomain)))
    throw new UsageError("There is no company of one of the names in --company or --from-file.");
  return stores.filter(
    ({ company, store, leftIn, cleanedAt, changedAt }) =>
      (companies === "all" || companies.includes(company.subdomain)) &&
      store === (leftIn === "database" ? "infisical" : "database") &&
      leftIn !== undefined &&
      cleanedAt === undefined &&
      changedAt !== undefined &&
      changedAt.getTime() < before,
  );
}

function tableOf(left: readonly CompanyStore[]): string {
  return table(
    ["COMPANY", "STORE", "COPY IN", "SINCE"],
    left.map(({ company, store, leftIn = "", changedAt }) => [
      company.subdomain,
      store,
      leftIn,
      changedAt === undefined ? "" : minute(changedAt),
    ]),
  );
}
