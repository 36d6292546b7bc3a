import { withApi } from "../api.ts";
import { confirm } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { minute, print, printJson, table } from "../output.ts";
import { requestId } from "./common-options.ts";

export const listCommand = defineCommand({
  positionals: ["company"],
  options: {},
  details: `Shows where a company may be, besides its home. For operators.`,
  examples: ["companies regions list acmecorp"],
  run: async ({ company, json }) => {
    const list = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.regions.list.query({ company }),
    );
    if (json) return printJson(list);
    if (list.length === 0) return print(`${company} is in no region but its home.`);
    print(
      table(
        ["REGION", "SINCE"],
        list.map(({ region, since }) => [region, minute(since)]),
      ),
    );
  },
});

export const addCommand = defineCommand({
  positionals: ["company", "region"],
  options: { "request-id": requestId },
  details: `The other region gets the company's name, its keys encrypted to that region, and the current value of each secret,
encrypted as it is here; and each change from then on. The region has to be known ("regions add"), and the company's
store has to be the database. For operators.`,
  examples: ["companies regions add acmecorp us"],
  run: async ({ company, region, "request-id": id, json }) => {
    const added = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.regions.add.mutate({ company, region, requestId: id }),
    );
    if (json) printJson(added);
    else print(`${company} is copied to ${added.region}.`);
  },
});

export const removeCommand = defineCommand({
  positionals: ["company", "region"],
  options: { "request-id": requestId, yes: { type: "boolean", help: "Do not ask" } },
  details: `Deletes all copies there. What backups of that region have, they keep until they expire. For operators.`,
  examples: ["companies regions remove acmecorp us", "companies regions remove acmecorp us --yes"],
  run: async ({ company, region, "request-id": id, yes, json }) => {
    await confirm(`Take ${company} from ${region}? It is no longer read there.`, yes);
    await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.regions.remove.mutate({ company, region, requestId: id }),
    );
    if (json) printJson({ company, region });
    else print(`${company} is taken from ${region}.`);
  },
});
