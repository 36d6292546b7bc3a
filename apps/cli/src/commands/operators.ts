import { expiryAfter } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { readApiUrl } from "../env.ts";
import { UsageError } from "../failure.ts";
import { minute, print, printJson, remark } from "../output.ts";

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
  details: `Prints the operator's token to standard output, this once: it is kept nowhere. Works on the database itself and
not through an API, and needs no credential but the database's: that is how the first operator comes to be.`,
  examples: ["operators create alice --expires-in 90d"],
  run: async ({ name, json, ...values }) => {
    const expiresAt = expiryAfter(values["expires-in"]);
    if (readApiUrl() !== undefined) {
      throw new UsageError(
        "Operators are not made through an API: unset TENANT_SECRETS_URL, and run this with the database's variables.",
      );
    }
    const { openServices } = await import("../in-process.ts");
    const { job } = await import("@repo/tenant-secrets");
    await using opened = await openServices();
    const { id, token } = await opened.secrets.operators.create(
      job("command-line", { verbs: [], secretKeys: [] }),
      name,
      expiresAt,
    );
    if (json) return printJson({ id, name, expiresAt, token });
    print(token);
    remark(
      `This token will not be shown again: keep it now. It is ${name}'s (${id}), valid until ${minute(expiresAt)}.`,
    );
  },
});
