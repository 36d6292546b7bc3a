import { withApi } from "../api.ts";
import { defineCommand } from "../command.ts";
import { print, printJson } from "../output.ts";
import { revokeApiKeys, settleKeys } from "./made-keys.ts";

export const disableCommand = defineCommand({
  positionals: ["userId"],
  options: { "revoke-api-keys": revokeApiKeys },
  details: `Shuts a person out of every company, within five seconds and everywhere; "members list" shows ids. Their memberships
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
