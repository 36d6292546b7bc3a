import { vaultOperations } from "@repo/catalog";
import { withApi } from "../api.ts";
import {
  confirm,
  confirmTyped,
  expiryOf,
  graceOf,
  pendingOf,
  reminderDaysOf,
  versionOf,
  wholeNumber,
} from "../arguments.ts";
import { defineCommand, fieldOption } from "../command.ts";
import { actorText, minute, print, printJson, remark, table } from "../output.ts";
import {
  company,
  dateHelp,
  expectedVersion,
  graceOptions,
  note as noteOption,
  pendingVersion,
  remind,
  requestId,
} from "./common-options.ts";

const operations = vaultOperations;

export const versionsCommand = defineCommand({
  positionals: ["secretKey"],
  options: {
    company,
    before: fieldOption(operations.history.input.shape.before, { type: "string", value: "version" }),
    limit: fieldOption(operations.history.input.shape.limit, { type: "string", value: "number" }),
  },
  details: `Shows every version of a secret, the newest first, also of one that was removed: who made it, when and why,
and whether it is active. Values are not shown. The value of a "destroyed" version is gone for good; its line stays.`,
  examples: [
    "versions STRIPE_SECRET_KEY --company acmecorp",
    "versions STRIPE_SECRET_KEY --company acmecorp --json",
  ],
  run: async ({ secretKey, company: subdomain, before, limit, json }) => {
    const page = { before: wholeNumber("before", before), limit: wholeNumber("limit", limit) };
    const history = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.history.query({ company: subdomain, secretKey, ...page }),
    );
    if (json) return printJson({ company: subdomain, secretKey, ...history });
    const { versions, next, removedAt, recoverUntil } = history;
    print(
      table(
        ["VERSION", "STAGE", "MADE", "BY", "LAST FOUR", "EXPIRES", "CHECK", "NOTE"],
        versions.map(
          ({
            version,
            stage,
            activeUntil,
            createdAt,
            actor,
            lastFour,
            expiresAt,
            check,
            note,
            destroyedAt,
          }) => [
            String(version),
            activeUntil === undefined
              ? (stage ?? (destroyedAt === undefined ? "" : "destroyed"))
              : `${stage} until ${minute(activeUntil)}`,
            minute(createdAt),
            actorText(actor),
            lastFour === undefined ? "" : `…${lastFour}`,
            expiresAt === undefined ? "" : minute(expiresAt),
            check === undefined ? "" : `${check.result} ${minute(check.checkedAt)}`,
            note ?? "",
          ],
        ),
      ),
    );
    if (removedAt !== undefined) {
      const until = recoverUntil === undefined ? "" : `, and can be restored until ${minute(recoverUntil)}`;
      remark(`It was removed at ${minute(removedAt)}${until}.`);
    }
    if (next !== undefined) remark(`There are more: --before ${next}`);
  },
});

export const rollbackCommand = defineCommand({
  positionals: ["secretKey"],
  options: {
    company,
    to: fieldOption(operations.rollback.input.shape.toVersion, {
      type: "string",
      required: true,
      value: "version",
      field: "toVersion",
    }),
    "expected-version": expectedVersion,
    note: noteOption,
    "request-id": requestId,
  },
  details: `Writes the value of an earlier version again, as a new one: "versions" lists them. Destroyed versions
cannot be restored. Not on Infisical.`,
  examples: ['rollback STRIPE_SECRET_KEY --company acmecorp --to 3 --note "4 was of the wrong account"'],
  run: async (values) => {
    const { secretKey, note } = values;
    const toVersion = wholeNumber("to", values.to);
    const expected = versionOf(values["expected-version"]);
    const options = { toVersion, expectedVersion: expected, note, requestId: values["request-id"] };
    const { version } = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.rollback.mutate({ company: values.company, secretKey, ...options }),
    );
    if (values.json) printJson({ company: values.company, secretKey, version });
    else
      print(
        `${secretKey} of ${values.company} is now at version ${version}, with the value of ${toVersion}.`,
      );
  },
});

export const promoteCommand = defineCommand({
  positionals: ["secretKey"],
  options: {
    company,
    ...graceOptions,
    "expected-version": expectedVersion,
    "pending-version": pendingVersion,
    "request-id": requestId,
  },
  details: `Makes the pending version, which "stage" left, the current one. It keeps its number. In the grace window webhooks
that were signed with the value before are still accepted, and a provider that refuses the new value is
asked with the old one. Not on Infisical.`,
  examples: ["promote STRIPE_SECRET_KEY --company acmecorp --grace 24h"],
  run: async (values) => {
    const { secretKey } = values;
    const options = { ...graceOf(values), ...pendingOf(values) };
    const { version } = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.promote.mutate({ company: values.company, secretKey, ...options }),
    );
    if (values.json) printJson({ company: values.company, secretKey, version });
    else print(`${secretKey} of ${values.company} is now at version ${version}.`);
  },
});

export const discardCommand = defineCommand({
  positionals: ["secretKey"],
  options: {
    company,
    "expected-version": expectedVersion,
    "pending-version": pendingVersion,
    "request-id": requestId,
    yes: { type: "boolean", help: "Do not ask" },
  },
  details: `Destroys the value of the pending version, which "stage" left. The current one stays. Asks before it does so; where
there is no terminal to ask at, --yes is needed.`,
  examples: ["discard STRIPE_SECRET_KEY --company acmecorp", "discard CUSTOM_KEY --company acmecorp --yes"],
  run: async (values) => {
    const { secretKey, company: subdomain, yes, json } = values;
    const options = pendingOf(values);
    await confirm(`Destroy the pending version of ${secretKey} of ${subdomain}?`, yes);
    const { version } = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.discard.mutate({ company: subdomain, secretKey, ...options }),
    );
    if (json) printJson({ company: subdomain, secretKey, discarded: version });
    else print(`Version ${version} of ${secretKey} of ${subdomain} is destroyed.`);
  },
});

export const purgeCommand = defineCommand({
  positionals: ["secretKey"],
  options: {
    company,
    force: fieldOption(operations.purge.input.shape.force, { type: "boolean" }),
    "request-id": requestId,
    yes: { type: "boolean", help: "Do not ask; needs --confirm" },
    confirm: { type: "string", value: "secretKey", help: "With --yes: the secret key once more" },
  },
  details: `Destroys every value of a removed secret for good, before its time to be restored is over. Its history stays, without
values, hints and fingerprints. Backups of the database still have them. Asks for the secret key to be typed.`,
  examples: [
    "purge CUSTOM_OLD_KEY --company acmecorp",
    "purge CUSTOM_OLD_KEY --company acmecorp --yes --confirm CUSTOM_OLD_KEY",
  ],
  run: async (values) => {
    const { secretKey, company: subdomain, force, yes, confirm: typed, json } = values;
    await confirmTyped({
      question: `This destroys every value of ${secretKey} of ${subdomain} for good. Type ${secretKey} to continue`,
      expected: secretKey,
      yes,
      typed,
      option: "confirm",
    });
    await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.purge.mutate({ company: subdomain, secretKey, force, requestId: values["request-id"] }),
    );
    if (json) printJson({ company: subdomain, secretKey, purged: true });
    else print(`Every value of ${secretKey} of ${subdomain} is destroyed. Its history stays.`);
  },
});

export const expireCommand = defineCommand({
  positionals: ["secretKey"],
  options: {
    company,
    at: {
      type: "string",
      required: true,
      value: "date",
      field: "expiresAt",
      help: `When it ends at its provider: ${dateHelp}; or "never"`,
    },
    remind,
    "request-id": requestId,
  },
  details: `Sets when the current version expires at its provider. Reminders before appear in the audit log, and in "list". The
next version has no expiry, unless "set" or "stage" sets one. A date without a time is its start in UTC. Expired
versions are still served. Not on Infisical.`,
  examples: [
    "expire SENDGRID_API_KEY --company acmecorp --at 2027-01-31 --remind 30,7,1",
    "expire SENDGRID_API_KEY --company acmecorp --at never",
  ],
  run: async (values) => {
    const { secretKey, company: subdomain, json } = values;
    const expiresAt = expiryOf(values.at);
    const expiry = {
      expiresAt,
      reminderDays: reminderDaysOf(values.remind),
      requestId: values["request-id"],
    };
    await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.setExpiry.mutate({ company: subdomain, secretKey, ...expiry }),
    );
    if (json) return printJson({ company: subdomain, secretKey, expiresAt });
    print(
      `${secretKey} of ${subdomain} ${expiresAt === null ? "does not expire" : `expires at ${minute(expiresAt)}`}.`,
    );
  },
});
