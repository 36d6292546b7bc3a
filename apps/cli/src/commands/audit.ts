import { auditOperations, malformedInput } from "@repo/catalog";
import { withApi } from "../api.ts";
import { timeOf, wholeNumber } from "../arguments.ts";
import { defineCommand, fieldOption } from "../command.ts";
import { actorText, print, printJson, remark, table } from "../output.ts";

const fields = auditOperations.list.input.shape;

export const listCommand = defineCommand({
  positionals: [],
  options: {
    company: fieldOption(fields.company, { type: "string", value: "subdomain" }),
    actor: fieldOption(fields.actors, { type: "string", multiple: true, value: "id", field: "actors" }),
    action: fieldOption(fields.actions, {
      type: "string",
      multiple: true,
      value: "action",
      field: "actions",
    }),
    "secret-key": fieldOption(fields.secretKeys, {
      type: "string",
      multiple: true,
      value: "secret key",
      field: "secretKeys",
    }),
    outcome: fieldOption(fields.outcomes, {
      type: "string",
      multiple: true,
      value: "outcome",
      field: "outcomes",
    }),
    from: fieldOption(fields.from, { type: "string", value: "time" }),
    to: fieldOption(fields.to, { type: "string", value: "time" }),
    "request-id": fieldOption(fields.requestId, { type: "string", value: "id" }),
    limit: fieldOption(fields.limit, { type: "string", value: "count" }),
    cursor: fieldOption(fields.cursor, { type: "string", value: "cursor" }),
  },
  details: `Shows who did what, when, from where and with what outcome. An event can stand for several of a kind: its count says
how many, and LAST when the last was. With filters, an answer looks through 20,000 events, and says how to look through the
older ones. For operators.`,
  examples: [
    "audit list --company acmecorp",
    "audit list --company acmecorp --action secret.reveal --from 2026-01-01",
    "audit list --limit 100 --json",
  ],
  run: async ({ actor, action, outcome, from, to, limit, json, ...values }) => {
    const asked = auditOperations.list.input.safeParse({
      company: values.company,
      actors: given(actor),
      actions: given(action),
      secretKeys: given(values["secret-key"]),
      outcomes: given(outcome),
      from: from === undefined ? undefined : timeOf("from", from),
      to: to === undefined ? undefined : timeOf("to", to),
      requestId: values["request-id"],
      cursor: values.cursor,
      limit: wholeNumber("limit", limit),
    });
    if (!asked.success) throw malformedInput(asked.error);
    const page = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.audit.list.query(asked.data));
    if (json) return printJson(page);
    print(
      table(
        ["TIME", "LAST", "COUNT", "ACTOR", "ACTION", "SECRET KEY", "OUTCOME", "REASON", "ADDRESS", "REQUEST"],
        page.events.map((event) => [
          event.occurredAt.toISOString(),
          event.lastAt?.toISOString() ?? "",
          String(event.count),
          actorText({ kind: event.actorKind, id: event.actorId, name: event.actorName }),
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

/** An option that is not given filters nothing. */
function given(values: readonly string[]): readonly string[] | undefined {
  return values.length === 0 ? undefined : values;
}

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
