import type { UserPage } from "@repo/catalog";
import { withApi } from "../api.ts";
import { defineCommand } from "../command.ts";
import { minute, print, printJson, table } from "../output.ts";
import { revokeApiKeys, settleKeys } from "./made-keys.ts";

export const listCommand = defineCommand({
  positionals: [],
  options: {},
  details: "Shows the people of all companies, in the order of their e-mail addresses. For operators.",
  examples: ["users list", "users list --json"],
  run: async ({ json }) => {
    const people = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", async (api) => {
      const all: UserPage["users"][number][] = [];
      let after: string | undefined;
      do {
        const { users, next } = await api.users.list.query({ after, limit: 200 });
        all.push(...users);
        after = next;
      } while (after !== undefined);
      return all;
    });
    if (json) return printJson(people);
    print(
      table(
        ["E-MAIL", "NAME", "STATUS", "COMPANIES", "SECOND FACTOR", "LAST SIGN-IN", "ID"],
        people.map((each) => [
          each.email,
          each.name,
          each.status,
          String(each.companies),
          each.secondFactor === undefined ? "" : each.secondFactor ? "yes" : "no",
          each.lastSignInAt === undefined ? "" : minute(each.lastSignInAt),
          each.id,
        ]),
      ),
    );
  },
});

export const disableCommand = defineCommand({
  positionals: ["userId"],
  options: { "revoke-api-keys": revokeApiKeys },
  details: `Shuts a person out of every company, within five seconds and everywhere; "users list" shows ids. Their memberships
stay. API keys of any company that they made stay valid unless they are revoked too: they are listed, and at a
terminal you are asked. For operators.`,
  examples: ["users disable 0198f2c4-0000-7000-8000-000000000001 --revoke-api-keys"],
  run: async ({ userId, json, ...values }) => {
    const disable = (revoke: boolean) =>
      withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
        api.users.disable.mutate({ userId, revokeApiKeys: revoke }),
      );
    const made = await disable(values["revoke-api-keys"]);
    if (!json) print(`${userId} is shut out.`);
    const { apiKeys, revoked } = await settleKeys(made, { quiet: json, revoke: () => disable(true) });
    if (json) printJson({ userId, disabled: true, apiKeys, apiKeysRevoked: revoked });
  },
});

export const enableCommand = defineCommand({
  positionals: ["userId"],
  options: {},
  details: "Lets a person in again who was shut out, with the roles that they had. For operators.",
  examples: ["users enable 0198f2c4-0000-7000-8000-000000000001"],
  run: async ({ userId, json }) => {
    await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.users.enable.mutate({ userId }));
    if (json) printJson({ userId, disabled: false });
    else print(`${userId} is let in again.`);
  },
});
