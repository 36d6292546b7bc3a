import type { Caller, Services } from "@repo/tenant-secrets";
import { expiryAfter } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { asCommandLine, rejectApiUrl } from "../in-process.ts";
import { minute, print, printJson, remark, table } from "../output.ts";
import { revokeApiKeys, settleKeys } from "./made-keys.ts";

type Operators = Services["operators"];

export const createCommand = defineCommand({
  positionals: ["name"],
  options: {
    "expires-in": {
      type: "string",
      required: true,
      value: "duration",
      help: "How long the token is valid: 30m, 12h, 90d",
    },
  },
  details: `Prints the operator's token to standard output, this once: it is not stored. Works on the database itself and
not through an API, and needs no credential but the database's: that is how the first operator comes to be.`,
  examples: ["operators create alice --expires-in 90d"],
  run: async ({ name, json, ...values }) => {
    const expiresAt = expiryAfter(values["expires-in"]);
    const { id, token } = await withOperators((operators, caller) =>
      operators.create(caller, name, expiresAt),
    );
    if (json) return printJson({ id, name, expiresAt, token });
    print(token);
    remark(
      `This token will not be shown again: keep it now. It is ${name}'s (${id}), valid until ${minute(expiresAt)}.`,
    );
  },
});

export const listCommand = defineCommand({
  positionals: [],
  options: {},
  details: "Shows who has a token, and since when and until when it is valid. Works on the database itself.",
  examples: ["operators list"],
  run: async ({ json }) => {
    const list = await withOperators((operators, caller) => operators.list(caller));
    if (json) return printJson(list);
    print(
      table(
        ["ID", "NAME", "CREATED", "EXPIRES", "REVOKED"],
        list.map(({ id, name, createdAt, expiresAt, revokedAt }) => [
          id,
          name,
          minute(createdAt),
          minute(expiresAt),
          revokedAt === undefined ? "" : minute(revokedAt),
        ]),
      ),
    );
  },
});

export const revokeCommand = defineCommand({
  positionals: ["id"],
  options: { "revoke-api-keys": revokeApiKeys },
  details: `Ends an operator's token at once. Works on the database itself, as the token may be in the wrong hands. API keys
that were made with it stay valid unless they are revoked too: they are listed, and at a terminal you are asked.`,
  examples: ["operators revoke 0b6c4d1e-8a52-4f0e-9d43-2f6f5a7c9e10 --revoke-api-keys"],
  run: async ({ id, json, ...values }) => {
    const end = (revoke: boolean) =>
      withOperators((operators, caller) => operators.revoke(caller, id, { revokeApiKeys: revoke }));
    const made = await end(values["revoke-api-keys"]);
    if (!json) print(`The operator's token ${id} is good for nothing from now on.`);
    const { apiKeys, revoked } = await settleKeys(made, { quiet: json, revoke: () => end(true) });
    if (json) printJson({ id, revoked: true, apiKeys, apiKeysRevoked: revoked });
  },
});

async function withOperators<T>(work: (operators: Operators, caller: Caller) => Promise<T>): Promise<T> {
  rejectApiUrl("Operators are not managed");
  return asCommandLine((secrets, caller) => work(secrets.operators, caller));
}
