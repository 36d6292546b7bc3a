import { withApi } from "../api.ts";
import { graceOf, newExpiryOf, versionOf } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { print, printJson, remark } from "../output.ts";
import { readSecretValue } from "../secret-value.ts";
import { company, expiryOptions, graceOptions, requestId } from "./company-option.ts";

/** Of whatever takes a value. */
export const valueSurplus =
  "A value is never an argument: the shell's history and the list of processes would keep it. " +
  "Nothing was written. Send it to standard input, or leave it out and type it at the prompt.";
export const valueOptions = {
  "keep-newline": { type: "boolean", help: "Keep the newline at the end of standard input" },
  "expected-version": {
    type: "string",
    value: "version",
    help: "Write only if this is the current version, 0 for none yet; else exit code 5",
  },
  "request-id": requestId,
  note: { type: "string", value: "text", help: "Why, for the history: not a secret" },
  ...expiryOptions,
} as const;

export const setCommand = defineCommand({
  positionals: ["secretKey"],
  surplus: valueSurplus,
  options: {
    company,
    ...valueOptions,
    ...graceOptions,
    check: { type: "boolean", help: "Ask the provider first, and write nothing that it rejects" },
  },
  details: `The value comes from standard input, to its end. One newline at the end is dropped, because editors and
"echo" add one; --keep-newline keeps it. At a terminal a masked prompt asks for one line instead. A value
is never an argument. Infisical takes none of --expected-version, --request-id, --note, --expires-at,
--grace and --end-grace.`,
  examples: [
    "set STRIPE_SECRET_KEY --company acmecorp",
    "set CUSTOM_TLS_KEY --company acmecorp --keep-newline < tls.pem",
    'pass show acmecorp/stripe | pnpm secrets set STRIPE_SECRET_KEY --company acmecorp --note "rotated"',
  ],
  run: async (values) => {
    const { secretKey } = values;
    const expectedVersion = versionOf(values["expected-version"]);
    const value = await readSecretValue(`Value of ${secretKey} of ${values.company}`, values["keep-newline"]);
    const { version, check } = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.write.mutate({
        company: values.company,
        secretKey,
        value,
        expectedVersion,
        requestId: values["request-id"],
        note: values.note,
        ...newExpiryOf(values),
        ...graceOf(values),
        check: values.check ? true : undefined,
      }),
    );
    if (values.json) printJson({ company: values.company, secretKey, version, check });
    else print(`${secretKey} of ${values.company} is now at version ${version}.`);
    if (check === "unknown") remark("It is not known whether it works: its provider could not be asked.");
  },
});
