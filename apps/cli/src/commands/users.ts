import { withApi } from "../api.ts";
import { defineCommand } from "../command.ts";
import { print, printJson } from "../output.ts";

export const disableCommand = defineCommand({
  positionals: ["userId"],
  options: {},
  details: `Shuts a person out of every company, within five seconds and everywhere; "members list" shows ids. What they belong
to is kept. API keys that they made go on: see "api-keys list". For operators.`,
  examples: ["users disable 0198f2c4-0000-7000-8000-000000000001"],
  run: async ({ userId, json }) => {
    await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.users.disable.mutate({ userId }));
    if (json) printJson({ userId, disabled: true });
    else print(`${userId} is shut out.`);
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
