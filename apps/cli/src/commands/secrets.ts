import { withApi } from "../api.ts";
import { confirm, versionOf, wholeNumber } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { minute, print, printJson, printValue, table } from "../output.ts";
import { company, expectedVersion, requestId } from "./company-option.ts";

export const getCommand = defineCommand({
  positionals: ["secretKey"],
  options: { company },
  details: `Writes the value to standard output byte for byte, and nothing after it. On a terminal a newline follows,
and characters that would act on the terminal are escaped. Every read is on record.`,
  examples: [
    "get STRIPE_SECRET_KEY --company acmecorp",
    'export STRIPE_SECRET_KEY="$(pnpm secrets get STRIPE_SECRET_KEY --company acmecorp)"',
    "get OAUTH_GOOGLE --company acmecorp --json",
  ],
  run: async ({ secretKey, company: subdomain, json }) => {
    const { value, version } = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.read.mutate({ company: subdomain, secretKey }),
    );
    if (json) printJson({ company: subdomain, secretKey, version, value });
    else printValue(value);
  },
});

export const listCommand = defineCommand({
  positionals: [],
  options: {
    company,
    "expires-within": {
      type: "string",
      value: "days",
      field: "expiresWithinDays",
      help: "Only what expires within so many days, or has expired; the first to expire first",
    },
  },
  details: `Shows what the credential may know of, never a value. The hint is the end of a value, where its kind allows
one; PENDING is the version that "promote" would make current, LAST USED is to the hour. "not in the catalogue" marks what is there but can be neither read nor written here, only removed.`,
  examples: ["list --company acmecorp", "list --company acmecorp --expires-within 30"],
  run: async ({ company: subdomain, json, ...values }) => {
    const expiresWithinDays = wholeNumber("expires-within", values["expires-within"]);
    const list = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.list.query({ company: subdomain, expiresWithinDays }),
    );
    if (json) return printJson({ company: subdomain, ...list });
    if (list.secrets.length === 0)
      return print(
        expiresWithinDays === undefined
          ? `${subdomain} has no secrets that this credential may know of.`
          : `No secret of ${subdomain} that this credential may know of expires within ${expiresWithinDays} days.`,
      );
    print(
      table(
        ["SECRET KEY", "VERSION", "PENDING", "PLACE", "HINT", "UPDATED", "EXPIRES", "LAST USED", "CHECK", ""],
        list.secrets.map((secret) => [
          secret.secretKey,
          String(secret.version),
          secret.pendingVersion === undefined ? "" : String(secret.pendingVersion),
          secret.place,
          secret.hint === undefined ? "" : `…${secret.hint}`,
          minute(secret.updatedAt),
          secret.expiresAt === undefined ? "" : minute(secret.expiresAt),
          secret.lastUsedAt === undefined ? "" : minute(secret.lastUsedAt),
          secret.check === undefined ? "" : `${secret.check.result} ${minute(secret.check.checkedAt)}`,
          secret.listed ? "" : "not in the catalogue",
        ]),
      ),
    );
  },
});

export const removeCommand = defineCommand({
  positionals: ["secretKey"],
  options: {
    company,
    "expected-version": expectedVersion,
    "request-id": requestId,
    yes: { type: "boolean", help: "Do not ask" },
  },
  details: `Asks before it does so; where there is no terminal to ask at, --yes is needed. In the database a removed
secret can be restored for a while, and the answer says until when: see "restore". Infisical forgets it at once.`,
  examples: ["remove STRIPE_SECRET_KEY --company acmecorp", "remove CUSTOM_OLD_KEY --company acmecorp --yes"],
  run: async (values) => {
    const { secretKey, company: subdomain, yes, json } = values;
    const options = {
      expectedVersion: versionOf(values["expected-version"]),
      requestId: values["request-id"],
    };
    await confirm(`Remove ${secretKey} of ${subdomain}?`, yes);
    const { recoverUntil } = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.remove.mutate({ company: subdomain, secretKey, ...options }),
    );
    if (json) return printJson({ company: subdomain, secretKey, recoverUntil });
    const fate =
      recoverUntil === undefined
        ? "gone for good: nothing was kept to restore it from"
        : `removed, and can be restored until ${minute(recoverUntil)}`;
    print(`${secretKey} of ${subdomain} is ${fate}.`);
  },
});

export const restoreCommand = defineCommand({
  positionals: ["secretKey"],
  options: { company, "request-id": requestId },
  details: `Undoes "remove", until the time that it said: the version that was current is current again. There is nothing to
restore on Infisical.`,
  examples: ["restore STRIPE_SECRET_KEY --company acmecorp"],
  run: async ({ secretKey, company: subdomain, "request-id": id, json }) => {
    const { version } = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.restore.mutate({ company: subdomain, secretKey, requestId: id }),
    );
    if (json) printJson({ company: subdomain, secretKey, version });
    else print(`${secretKey} of ${subdomain} is back, at version ${version}.`);
  },
});
