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
    person: { type: "string", value: "email", help: "The person who holds the token; no account is needed" },
  },
  details: `Prints the operator's token to standard output, this once: it is not stored. Works on the database itself and
not through an API, and needs no credential but the database's: that is how the first operator comes to be. What cannot be undone takes two people: --person tells them apart, and a token
without a person approves for tokens without a person alone.`,
  examples: [
    "operators create alice --expires-in 90d --person alice@example.com",
    "operators create deployment --expires-in 1d",
  ],
  run: async ({ name, json, person, ...values }) => {
    const expiresAt = expiryAfter(values["expires-in"]);
    const { id, token } = await withOperators((operators, caller) =>
      operators.create(caller, { name, expiresAt, person }),
    );
    if (json) return printJson({ id, name, expiresAt, token });
    print(token);
    remark(
      `This token will not be shown again: keep it now. It is ${name}'s (${id}), valid until ${minute(expiresAt)}.`,
    );
  },
});

export const linkCommand = defineCommand({
  positionals: ["email"],
  options: {
    "expires-in": {
      type: "string",
      required: true,
      value: "duration",
      help: "How long the link is valid: 12h, 90d, at most 366d",
    },
    name: { type: "string", value: "name", help: "The operator's name in lists (default: the address)" },
  },
  details: `The person acts as an operator where a request says "tenant-secrets-as: operator", with a session that a second factor
confirmed within 8 hours. A person without an account sets a password with "forgot password" on the page. Linking a
person again changes name and expiry. Works on the database itself.`,
  examples: ["operators link ops@example.com --expires-in 90d"],
  run: async ({ email, json, name, ...values }) => {
    const expiresAt = expiryAfter(values["expires-in"]);
    const linked = await withOperators((operators, caller) =>
      operators.link(caller, { email, name, expiresAt }),
    );
    if (json) return printJson({ ...linked, expiresAt });
    print(`${linked.email} may act as operator ${linked.id} until ${minute(expiresAt)}.`);
  },
});

export const unlinkCommand = defineCommand({
  positionals: ["email"],
  options: { "revoke-api-keys": revokeApiKeys },
  details: `Ends a person's link at once; the person keeps account and memberships. API keys that they made as operator stay valid
unless they are revoked too: they are listed, and at a terminal you are asked. Works on the database itself.`,
  examples: ["operators unlink ops@example.com"],
  run: async ({ email, json, ...values }) => {
    const revoke = values["revoke-api-keys"];
    const { id, ...made } = await withOperators((operators, caller) =>
      operators.unlink(caller, email, { revokeApiKeys: revoke }),
    );
    if (!json) print(`${email} acts as operator no more.`);
    const { apiKeys, revoked } = await settleKeys(made, {
      quiet: json,
      revoke: () =>
        withOperators((operators, caller) => operators.revoke(caller, id, { revokeApiKeys: true })),
    });
    if (json) printJson({ id, email, unlinked: true, apiKeys, apiKeysRevoked: revoked });
  },
});

export const listCommand = defineCommand({
  positionals: [],
  options: {},
  details:
    "Shows who has a token or a link, and since when and until when it is valid. Works on the database itself.",
  examples: ["operators list"],
  run: async ({ json }) => {
    const list = await withOperators((operators, caller) => operators.list(caller));
    if (json) return printJson(list);
    print(
      table(
        ["ID", "NAME", "BY", "PERSON", "CREATED", "EXPIRES", "REVOKED"],
        list.map(({ id, name, prefix, user, createdAt, expiresAt, revokedAt }) => [
          id,
          name,
          prefix === undefined ? "session" : "token",
          user?.email ?? "",
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
  details: `Ends an operator's token or link at once. Works on the database itself, as the token may be in the wrong hands. API keys
that were made with it stay valid unless they are revoked too: they are listed, and at a terminal you are asked.`,
  examples: ["operators revoke 0b6c4d1e-8a52-4f0e-9d43-2f6f5a7c9e10 --revoke-api-keys"],
  run: async ({ id, json, ...values }) => {
    const end = (revoke: boolean) =>
      withOperators((operators, caller) => operators.revoke(caller, id, { revokeApiKeys: revoke }));
    const made = await end(values["revoke-api-keys"]);
    if (!json) print(`The operator ${id} is good for nothing from now on.`);
    const { apiKeys, revoked } = await settleKeys(made, { quiet: json, revoke: () => end(true) });
    if (json) printJson({ id, revoked: true, apiKeys, apiKeysRevoked: revoked });
  },
});

async function withOperators<T>(work: (operators: Operators, caller: Caller) => Promise<T>): Promise<T> {
  rejectApiUrl("Operators are not managed");
  return asCommandLine((secrets, caller) => work(secrets.operators, caller));
}
