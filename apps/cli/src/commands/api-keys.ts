import { apiKeyOperations } from "@repo/catalog";
import { withApi } from "../api.ts";
import { commaSeparated, expiryAfter, graceSecondsOf } from "../arguments.ts";
import { defineCommand, fieldOption } from "../command.ts";
import { UsageError } from "../failure.ts";
import { minute, print, printJson, remark, table } from "../output.ts";
import { company, requestId } from "./common-options.ts";

export const createCommand = defineCommand({
  positionals: [],
  options: {
    company: {
      ...company,
      multiple: true,
      field: "companies",
      help: "The company; with --platform, once for each that it may enter",
    },
    platform: { type: "boolean", help: "A key of the platform, which may enter several companies" },
    name: {
      type: "string",
      required: true,
      value: "text",
      help: "What it is for, for lists and the audit log",
    },
    verbs: {
      type: "string",
      required: true,
      value: "verbs",
      help: "What it may do, with commas: describe, use, write, delete, export",
    },
    "secret-keys": {
      type: "string",
      required: true,
      value: "patterns",
      help: "Which secrets it may know of, with commas: names, beginnings such as STRIPE_*, or *",
    },
    address: {
      type: "string",
      multiple: true,
      value: "address",
      field: "addresses",
      help: "Where it may be used from, an IP address or a network such as 192.0.2.0/24, each; without: from anywhere",
    },
    "expires-in": {
      type: "string",
      required: true,
      value: "duration",
      field: "expiresAt",
      help: "How long it is valid, at most 366d: 30m, 12h, 90d",
    },
    "request-id": {
      ...requestId,
      help: "An id of this change: sent again within 24 hours, it ends the key that it made before, unless that was used",
    },
  },
  details: `Prints the key to standard output, this once: it is not stored. Quote patterns, or the shell may replace
them by names of files. "use" reads values, "describe" lists without them, "export"
reads all of them at once and should be granted only if it is needed. A key that is bound to an address is rejected if the
caller's address is unknown, such as in a command without an API. For operators.`,
  examples: [
    "api-keys create --company acmecorp --name billing --verbs use --secret-keys 'STRIPE_*' --expires-in 90d",
    `api-keys create --platform --company acmecorp --company codewiser --name worker \\
    --verbs use,describe --secret-keys '*' --expires-in 30d --address 192.0.2.0/24 > worker.key`,
  ],
  run: async (values) => {
    const { ApiKeyVerb } = await import("@repo/catalog");
    const verbs = commaSeparated(values.verbs).map((verb) => {
      const known = ApiKeyVerb.safeParse(verb).data;
      if (known === undefined) throw new UsageError(`--verbs is a list of ${ApiKeyVerb.options.join(", ")}.`);
      return known;
    });
    const request = {
      name: values.name,
      companies: [...values.company],
      platform: values.platform,
      verbs,
      secretKeys: commaSeparated(values["secret-keys"]),
      addresses: values.address.length === 0 ? undefined : [...values.address],
      expiresAt: expiryAfter(values["expires-in"]),
      requestId: values["request-id"],
    };
    const created = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.apiKeys.create.mutate(request),
    );
    if (values.json) return printJson(created);
    const { id, companies, expiresAt } = created.description;
    print(created.apiKey);
    remark(
      `This API key will not be shown again: keep it now. It is ${id}, for ${companies.join(", ")}, ` +
        `valid until ${minute(expiresAt)}.`,
    );
  },
});

export const listCommand = defineCommand({
  positionals: [],
  options: { company },
  details: `Shows the company's own keys, and the platform's that may enter it; never a key itself. For operators.`,
  examples: ["api-keys list --company acmecorp"],
  run: async ({ company: subdomain, json }) => {
    const list = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.apiKeys.list.query({ company: subdomain }),
    );
    if (json) return printJson(list);
    if (list.length === 0) return print(`No API key may enter ${subdomain}.`);
    print(
      table(
        [
          "ID",
          "NAME",
          "MADE BY",
          "BEGINS",
          "COMPANIES",
          "VERBS",
          "SECRET KEYS",
          "FROM",
          "LAST USED",
          "EXPIRES",
          "",
        ],
        list.map((key) => [
          key.id,
          key.name,
          `${key.createdBy.kind} ${key.createdBy.name ?? key.createdBy.id}`,
          key.prefix === undefined ? "" : `tsk_${key.prefix}`,
          key.companies.join(","),
          key.verbs.join(","),
          key.secretKeys.join(","),
          key.addresses?.join(",") ?? "anywhere",
          key.lastUsedAt === undefined ? "never" : minute(key.lastUsedAt),
          minute(key.expiresAt),
          key.revokedAt === undefined ? "" : `revoked ${minute(key.revokedAt)}`,
        ]),
      ),
    );
  },
});

const { graceSeconds } = apiKeyOperations.rotate.input.shape;

export const rotateCommand = defineCommand({
  positionals: ["id"],
  options: {
    company,
    grace: fieldOption(graceSeconds, { type: "string", field: "graceSeconds", value: "duration" }),
    "request-id": {
      ...requestId,
      help: "An id of this change: sent again within 24 hours, it ends the key that it made before, unless that was used",
    },
  },
  details: `Prints the next key to standard output, this once: it is not stored. It may do what the old one may, for as long as
that was made for. The old one ends with the window, at once without one. Takes the id that "api-keys list" shows. For operators.`,
  examples: ["api-keys rotate 0198f2c4-0000-7000-8000-000000000001 --company acmecorp --grace 24h"],
  run: async ({ id, company: subdomain, grace, "request-id": request, json }) => {
    requireId(id);
    const rotated = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.apiKeys.rotate.mutate({
        company: subdomain,
        id,
        graceSeconds: grace === undefined ? 0 : graceSecondsOf(grace),
        requestId: request,
      }),
    );
    if (json) return printJson(rotated);
    print(rotated.apiKey);
    remark(
      `This API key will not be shown again: keep it now. It is ${rotated.description.id}, valid until ` +
        `${minute(rotated.description.expiresAt)}. The old one ends ${minute(rotated.oldEndsAt)}.`,
    );
  },
});

/** @throws {UsageError} for a text that is no id: it may be the key itself, and is not shown */
function requireId(id: string): void {
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) return;
  throw new UsageError('<id> is the id of an API key, which "api-keys list" shows, and not the key.');
}

export const revokeCommand = defineCommand({
  positionals: ["id"],
  options: { company },
  details: `Takes the id that "api-keys list" shows, not the key. Ending a key that has ended changes nothing. A key of the
platform ends for all its companies. For operators.`,
  examples: ["api-keys revoke 0198f2c4-0000-7000-8000-000000000001 --company acmecorp"],
  run: async ({ id, company: subdomain, json }) => {
    requireId(id);
    await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.apiKeys.revoke.mutate({ company: subdomain, id }),
    );
    if (json) printJson({ company: subdomain, id, revoked: true });
    else print(`The API key ${id} is revoked.`);
  },
});
