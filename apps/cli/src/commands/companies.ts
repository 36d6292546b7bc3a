import type { CompanyOverview } from "@repo/catalog";
import { withApi } from "../api.ts";
import { confirm, wholeNumber } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../failure.ts";
import { minute, print, printJson, table } from "../output.ts";
import { requestId } from "./common-options.ts";

export const listCommand = defineCommand({
  positionals: [],
  options: {},
  details: `Shows all companies, with the place where each one's secrets live. For operators.`,
  examples: ["companies list", "companies list --json"],
  run: async ({ json }) => {
    const list = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.companies.list.query());
    if (json) return printJson(list);
    if (list.length === 0) return print('There are no companies yet; "companies create" makes one.');
    print(overview(list));
  },
});

export const getCommand = defineCommand({
  positionals: ["company"],
  options: {},
  details: `Shows one company, as "companies list" does. For operators.`,
  examples: ["companies get acmecorp"],
  run: async ({ company, json }) => {
    const found = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.get.query({ company }),
    );
    if (json) printJson(found);
    else print(overview([found]));
  },
});

function overview(list: readonly CompanyOverview[]): string {
  return table(
    ["SUBDOMAIN", "STORE", "STATUS", "SECRETS", "MEMBERS", "API KEYS", "KEY", "RECOVERY", "CREATED", "ID"],
    list.map((each) => [
      each.subdomain,
      each.secretStore,
      each.status,
      String(each.secrets),
      String(each.members),
      String(each.apiKeys),
      each.key === undefined ? "" : `${each.key.version} of ${minute(each.key.createdAt)}`,
      `${each.recoveryDays} days`,
      minute(each.createdAt),
      each.id,
    ]),
  );
}

export const createCommand = defineCommand({
  positionals: ["subdomain"],
  options: {
    store: {
      type: "string",
      required: true,
      value: "infisical|hybrid|database",
      field: "secretStore",
      help: "Where its secrets live: a folder in Infisical, encrypted rows, or rows first and then the folder",
    },
    "request-id": requestId,
  },
  details: `A subdomain has 1 to 63 lower-case letters, digits or hyphens, and neither begins nor ends with a hyphen. One
that ever named a folder in Infisical is not given to another company. For operators.`,
  examples: ["companies create acmecorp --store database"],
  run: async ({ subdomain, store, "request-id": id, json }) => {
    const { SecretStoreName } = await import("@repo/catalog");
    const secretStore = SecretStoreName.safeParse(store).data;
    if (secretStore === undefined)
      throw new UsageError(`--store is one of ${SecretStoreName.options.join(", ")}.`);
    const company = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.create.mutate({ subdomain, secretStore, requestId: id }),
    );
    if (json) printJson(company);
    else
      print(
        `Created ${company.subdomain} (${company.id}); its secrets live in the ${company.secretStore} store.`,
      );
  },
});

export const renameCommand = defineCommand({
  positionals: ["company", "subdomain"],
  options: { "request-id": requestId },
  details: `The company keeps its id, its secrets and its folder in Infisical. Its old subdomain answers "not found" from
then on. For operators.`,
  examples: ["companies rename acmecorp acme"],
  run: async ({ company, subdomain, "request-id": id, json }) => {
    const renamed = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.rename.mutate({ company, subdomain, requestId: id }),
    );
    if (json) printJson(renamed);
    else print(`${company} is now ${renamed.subdomain} (${renamed.id}).`);
  },
});

export const setRecoveryCommand = defineCommand({
  positionals: ["company"],
  options: {
    days: { type: "string", required: true, value: "number", help: "7 to 90; a new company has 30" },
  },
  details: `Sets for how many days a removed secret of the company can be restored. Secrets that are already removed keep their
period. For operators.`,
  examples: ["companies set-recovery acmecorp --days 60"],
  run: async ({ company, days, json }) => {
    const changed = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.setRecovery.mutate({ company, days: wholeNumber("days", days) }),
    );
    if (json) printJson(changed);
    else
      print(
        `Secrets of ${company} that are removed from now on can be restored for ${changed.recoveryDays} days.`,
      );
  },
});

export const suspendCommand = defineCommand({
  positionals: ["company"],
  options: { yes: { type: "boolean", help: "Do not ask" } },
  details: `From then on, in every process, the company's secrets are neither read nor written, and its API keys open nothing:
the answer is COMPANY_SUSPENDED. Nothing is deleted; "companies resume" opens it again. For operators.`,
  examples: ["companies suspend acmecorp", "companies suspend acmecorp --yes"],
  run: async ({ company, yes, json }) => {
    await confirm(`Suspend ${company}? Its product stops working with its secrets.`, yes);
    const suspended = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.suspend.mutate({ company }),
    );
    if (json) printJson(suspended);
    else print(`${company} is suspended.`);
  },
});

export const resumeCommand = defineCommand({
  positionals: ["company"],
  options: {},
  details: `Ends "companies suspend": secrets, API keys and people are as they were. For operators.`,
  examples: ["companies resume acmecorp"],
  run: async ({ company, json }) => {
    const resumed = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.resume.mutate({ company }),
    );
    if (json) printJson(resumed);
    else print(`${company} is open again.`);
  },
});
