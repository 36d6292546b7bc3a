import { withApi } from "../api.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../failure.ts";
import { print, printJson, remark, table } from "../output.ts";
import { company } from "./common-options.ts";

export const listCommand = defineCommand({
  positionals: [],
  options: {
    company: { ...company, required: false, help: "The company; without it, all of the platform" },
    limit: { type: "string", value: "count", help: "How many events, 1 to 100; 50 where it is left out" },
    cursor: { type: "string", value: "cursor", help: "What the answer before ended with" },
  },
  details: `Shows who did what, when, from where and with what outcome. An event can stand for several of a kind: its count says
how many, and LAST when the last was. For operators.`,
  examples: ["audit list --company acmecorp", "audit list --limit 100 --json"],
  run: async ({ company: subdomain, limit, cursor, json }) => {
    if (limit !== undefined && !/^([1-9]\d?|100)$/.test(limit)) {
      throw new UsageError("--limit is a number, 1 to 100.");
    }
    const page = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.audit.list.query({
        company: subdomain,
        cursor,
        limit: limit === undefined ? undefined : Number(limit),
      }),
    );
    if (json) return printJson(page);
    print(
      table(
        ["TIME", "LAST", "COUNT", "ACTOR", "ACTION", "SECRET KEY", "OUTCOME", "REASON", "ADDRESS", "REQUEST"],
        page.events.map((event) => [
          event.occurredAt.toISOString(),
          event.lastAt?.toISOString() ?? "",
          String(event.count),
          `${event.actorKind} ${event.actorId}`,
          event.action,
          `${event.secretKey ?? ""}${event.version === null ? "" : `@${event.version}`}`,
          event.outcome,
          event.reason ?? "",
          event.address ?? "",
          event.requestId ?? "",
        ]),
      ),
    );
    if (page.cursor !== undefined) remark(`Older ones: --cursor ${page.cursor}`);
  },
});

export const publicKeyCommand = defineCommand({
  positionals: [],
  options: {},
  details: `Prints the public keys, in PEM, that the batches of the audit log and exports can be checked with: all that were ever in
use. Archive them where database administrators cannot change them, and publish them for the companies. For operators.`,
  examples: ["audit public-key > audit-keys.pem"],
  run: async ({ json }) => {
    const answer = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.audit.publicKeys.query());
    if (json) printJson(answer);
    else print(answer.publicKeys.trimEnd());
  },
});
