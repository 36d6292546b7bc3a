import { vaultOperations } from "@repo/catalog";
import { withApi } from "../api.ts";
import { graceOf, newExpiryOf, versionOf } from "../arguments.ts";
import { defineCommand, fieldOption } from "../command.ts";
import { print, printJson, remark } from "../output.ts";
import { readSecretValue } from "../secret-value.ts";
import {
  company,
  expectedVersion,
  expiryOptions,
  graceOptions,
  keepNewline,
  note,
  noValueArgument,
  requestId,
} from "./common-options.ts";

const { write, stage } = vaultOperations;

const valueOptions = {
  "keep-newline": keepNewline,
  "expected-version": expectedVersion,
  "request-id": requestId,
  note,
  ...expiryOptions,
} as const;

export const setCommand = defineCommand({
  positionals: ["secretKey"],
  surplus: noValueArgument,
  options: {
    company,
    ...valueOptions,
    ...graceOptions,
    check: fieldOption(write.input.shape.check, { type: "boolean" }),
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
    const input = await valueInput("Value", values);
    const { version, check } = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.write.mutate({
        ...input,
        ...graceOf(values),
        check: values.check ? true : undefined,
      }),
    );
    if (values.json) printJson({ company: values.company, secretKey, version, check });
    else print(`${secretKey} of ${values.company} is now at version ${version}.`);
    if (check === "unknown") remark("It is not known whether it works: its provider could not be asked.");
  },
});

export const generateCommand = defineCommand({
  positionals: ["secretKey"],
  options: {
    company,
    "expected-version": expectedVersion,
    "request-id": requestId,
    note,
    ...expiryOptions,
    ...graceOptions,
  },
  details: `The server makes a random value in the form of this secret, and answers with its version alone; "get" prints it to
hand it over. Only secrets that this product may choose can be made, such as the one that webhooks are signed with. Infisical
takes none of --expected-version, --request-id, --note, --expires-at, --grace and --end-grace.`,
  examples: [
    "generate WEBHOOK_SIGNING_SECRET --company acmecorp",
    "generate WEBHOOK_SIGNING_SECRET --company acmecorp --grace 24h",
  ],
  run: async (values) => {
    const { secretKey, company: subdomain } = values;
    const { version } = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.generate.mutate({
        company: subdomain,
        secretKey,
        expectedVersion: versionOf(values["expected-version"]),
        requestId: values["request-id"],
        note: values.note,
        ...newExpiryOf(values),
        ...graceOf(values),
      }),
    );
    if (values.json) printJson({ company: subdomain, secretKey, version });
    else print(`${secretKey} of ${subdomain} is now at version ${version}, a value that the server made.`);
  },
});

export const stageCommand = defineCommand({
  positionals: ["secretKey"],
  surplus: noValueArgument,
  options: {
    company,
    ...valueOptions,
    replace: fieldOption(stage.input.shape.replace, { type: "boolean" }),
  },
  details: `Stores a pending value beside the current one, until "promote" makes it current or "discard" destroys it.
"get" still answers the current one; webhooks that are signed with the new one are accepted already. The
value comes from standard input or a prompt, as with "set". Not on Infisical.`,
  examples: [
    "stage STRIPE_SECRET_KEY --company acmecorp",
    "stage CUSTOM_KEY --company acmecorp < new-key.txt",
  ],
  run: async (values) => {
    const { secretKey } = values;
    const input = await valueInput("Next value", values);
    const { version } = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.stage.mutate({ ...input, replace: values.replace }),
    );
    if (values.json) printJson({ company: values.company, secretKey, version });
    else print(`Version ${version} of ${secretKey} of ${values.company} is pending.`);
  },
});

interface ValueArguments {
  readonly secretKey: string;
  readonly company: string;
  readonly "keep-newline": boolean;
  readonly "expected-version": string | undefined;
  readonly "request-id": string | undefined;
  readonly note: string | undefined;
  readonly "expires-at": string | undefined;
  readonly remind: string | undefined;
}

/** Checks the arguments, then reads the value. @param prompt what a terminal is asked for */
async function valueInput(prompt: string, values: ValueArguments) {
  const { company: subdomain, secretKey } = values;
  const expected = versionOf(values["expected-version"]);
  const value = await readSecretValue(`${prompt} of ${secretKey} of ${subdomain}`, values["keep-newline"]);
  return {
    company: subdomain,
    secretKey,
    value,
    expectedVersion: expected,
    requestId: values["request-id"],
    note: values.note,
    ...newExpiryOf(values),
  };
}
