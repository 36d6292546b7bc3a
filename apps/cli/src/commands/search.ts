import { withApi } from "../api.ts";
import { defineCommand } from "../command.ts";
import { print, printJson, remark, table } from "../output.ts";
import { readSecretValue } from "../secret-value.ts";

export const searchCommand = defineCommand({
  positionals: [],
  surplus:
    "A value is never an argument: the shell's history and the list of processes would keep it. " +
    "Send it to standard input, or leave it out and type it at the prompt.",
  options: {
    company: { type: "string", value: "subdomain", help: "Search in this company alone" },
    "keep-newline": { type: "boolean", help: "Keep the newline at the end of standard input" },
  },
  details: `Says whose a leaked value is: which secrets have exactly this one, now or in an earlier version. The value comes
from standard input, as with "set". What only Infisical has cannot be searched, and is counted. Every search
is in the audit log, also with each company where something is found. For operators.`,
  examples: ["search", "search --company acmecorp < leaked.txt"],
  run: async (values) => {
    const value = await readSecretValue("Value to search for", values["keep-newline"]);
    const found = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.secrets.search.mutate({ company: values.company, value }),
    );
    if (values.json) return printJson(found);
    const { matches, complete, searched, partly, notSearched } = found;
    if (matches.length > 0) {
      print(
        table(
          ["COMPANY", "SECRET KEY", "VERSION", ""],
          matches.map(({ company, secretKey, version, current, removed }) => [
            company,
            secretKey,
            String(version),
            [current ? "current" : "earlier", ...(removed ? ["removed"] : [])].join(", "),
          ]),
        ),
      );
    } else print("This value was found nowhere.");
    if (!complete) remark("There are more: this is where a search ends.");
    const { inInfisical, keysDestroyed, keysUnavailable, suspended } = notSearched;
    remark(
      `Searched ${searched} companies, ${partly} of them without what only Infisical has. Not searched: ` +
        `${inInfisical} whose values are in Infisical, ${keysDestroyed} whose keys are destroyed, ` +
        `${keysUnavailable} whose keys are unavailable, ${suspended} that are suspended.`,
    );
  },
});
