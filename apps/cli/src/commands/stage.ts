import { withApi } from "../api.ts";
import { newExpiryOf, versionOf } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { print, printJson } from "../output.ts";
import { readSecretValue } from "../secret-value.ts";
import { company } from "./company-option.ts";
import { valueOptions, valueSurplus } from "./set.ts";

export const stageCommand = defineCommand({
  positionals: ["secretKey"],
  surplus: valueSurplus,
  options: {
    company,
    ...valueOptions,
    replace: { type: "boolean", help: "Destroy the pending version that is there already" },
  },
  details: `Keeps a value beside the current one, as its next version, until "promote" makes it current or "discard" destroys it.
"get" goes on to answer the current one; webhooks that are signed with the new one are accepted already. The
value comes from standard input or a prompt, as with "set". Not on Infisical.`,
  examples: [
    "stage STRIPE_SECRET_KEY --company acmecorp",
    "stage CUSTOM_KEY --company acmecorp < new-key.txt",
  ],
  run: async (values) => {
    const { secretKey } = values;
    const expectedVersion = versionOf(values["expected-version"]);
    const value = await readSecretValue(
      `Next value of ${secretKey} of ${values.company}`,
      values["keep-newline"],
    );
    const { version } = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.stage.mutate({
        company: values.company,
        secretKey,
        value,
        expectedVersion,
        requestId: values["request-id"],
        note: values.note,
        ...newExpiryOf(values),
        replace: values.replace,
      }),
    );
    if (values.json) printJson({ company: values.company, secretKey, version });
    else print(`Version ${version} of ${secretKey} of ${values.company} is pending.`);
  },
});
