import { withApi } from "../api.ts";
import { confirm, roleOf } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { minute, print, printJson, table } from "../output.ts";
import { company, requestId, role } from "./common-options.ts";
import { revokeApiKeys, settleKeys } from "./made-keys.ts";

export const listCommand = defineCommand({
  positionals: [],
  options: { company },
  details: "Shows who belongs to a company, and as what. For operators.",
  examples: ["members list --company acmecorp"],
  run: async ({ company: subdomain, json }) => {
    const list = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.members.list.query({ company: subdomain }),
    );
    if (json) return printJson(list);
    if (list.length === 0) return print(`${subdomain} has no members yet; "members add" adds a person.`);
    print(
      table(
        ["E-MAIL", "NAME", "ROLE", "SINCE", "ID", ""],
        list.map(({ email, name, role: has, since, userId, disabled }) => [
          email,
          name,
          has,
          minute(since),
          userId,
          disabled === true ? "disabled" : "",
        ]),
      ),
    );
  },
});

export const addCommand = defineCommand({
  positionals: ["email"],
  options: {
    company,
    role,
    name: { type: "string", required: true, value: "text", help: "What the person is called" },
    "request-id": requestId,
  },
  details: `Adds a person to a company, by e-mail address. The name is this company's own: other companies that the person belongs
to have names of their own. For operators.`,
  examples: ["members add ada@example.com --company acmecorp --role owner --name 'Ada Lovelace'"],
  run: async ({ email, company: subdomain, name, json, ...values }) => {
    const given = await roleOf(values.role);
    const member = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.members.add.mutate({
        company: subdomain,
        email,
        name,
        role: given,
        requestId: values["request-id"],
      }),
    );
    if (json) printJson(member);
    else print(`${member.email} (${member.userId}) is now ${member.role} of ${subdomain}.`);
  },
});

export const roleCommand = defineCommand({
  positionals: ["userId"],
  options: { company, role },
  details: `Gives a member another role; "members list" shows ids. It takes effect within five seconds, everywhere. A company's last
owner cannot be demoted. For operators.`,
  examples: ["members role 0198f2c4-0000-7000-8000-000000000001 --company acmecorp --role auditor"],
  run: async ({ userId, company: subdomain, json, ...values }) => {
    const given = await roleOf(values.role);
    const member = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.members.change.mutate({ company: subdomain, userId, role: given }),
    );
    if (json) printJson(member);
    else print(`${member.email} is now ${member.role} of ${subdomain}.`);
  },
});

export const removeCommand = defineCommand({
  positionals: ["userId"],
  options: {
    company,
    "revoke-api-keys": revokeApiKeys,
    "request-id": requestId,
    yes: { type: "boolean", help: "Do not ask" },
  },
  details: `Takes a person out of a company; what else they belong to stays. Asks before it does so; where there is no terminal
to ask at, --yes is needed. API keys of the company that the person made stay valid unless they are revoked too: they are
listed, and at a terminal you are asked. A company that has an owner keeps one. For operators.`,
  examples: ["members remove 0198f2c4-0000-7000-8000-000000000001 --company acmecorp --yes"],
  run: async ({ userId, company: subdomain, yes, json, ...values }) => {
    await confirm(`Take ${userId} out of ${subdomain}?`, yes);
    const made = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.members.remove.mutate({
        company: subdomain,
        userId,
        revokeApiKeys: values["revoke-api-keys"],
        requestId: values["request-id"],
      }),
    );
    if (!json) print(`${userId} does not belong to ${subdomain} any more.`);
    const revoke = () =>
      withApi("TENANT_SECRETS_OPERATOR_TOKEN", async (api) => {
        for (const { id } of made.apiKeys)
          await api.companies.apiKeys.revoke.mutate({ company: subdomain, id });
      });
    const { apiKeys, revoked } = await settleKeys(made, { quiet: json, revoke });
    if (json) printJson({ company: subdomain, userId, removed: true, apiKeys, apiKeysRevoked: revoked });
  },
});
