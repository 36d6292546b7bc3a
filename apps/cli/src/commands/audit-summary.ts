import { auditOperations, malformedInput } from "@repo/catalog";
import { withApi } from "../api.ts";
import { timeOf } from "../arguments.ts";
import { defineCommand, fieldOption } from "../command.ts";
import { actorText, minute, print, printJson, table } from "../output.ts";

const weekMs = 7 * 24 * 3_600_000;
const numbers = ["READS", "REVEALS", "CHANGES", "DENIALS"];

interface Counts {
  readonly reads: number;
  readonly reveals: number;
  readonly changes: number;
  readonly denials: number;
}

const cellsOf = ({ reads, reveals, changes, denials }: Counts): readonly string[] =>
  [reads, reveals, changes, denials].map(String);

const summaryFields = auditOperations.summary.input.shape;

export const summaryCommand = defineCommand({
  positionals: [],
  options: {
    company: fieldOption(summaryFields.company, { type: "string", value: "subdomain" }),
    from: {
      type: "string",
      value: "time",
      help: "From this day or time in UTC on. Default: seven days before --to",
    },
    to: { type: "string", value: "time", help: "To this day or time in UTC. Default: now" },
    by: fieldOption(summaryFields.by, { type: "string", value: "hour|day" }),
    "secret-key": fieldOption(summaryFields.secretKey, {
      type: "string",
      value: "secret key",
      field: "secretKey",
    }),
  },
  details: `Counts how much was done in a company, or in all companies together: values that programs read, values that people revealed or exported, changes and
denials, by day (the default) or hour in UTC; and the ten secrets and the ten actors with the most of it. For operators.`,
  examples: [
    "audit summary --company acmecorp",
    "audit summary --company acmecorp --from 2026-01-01 --to 2026-01-02 --by hour",
  ],
  run: async ({ company: subdomain, by = "day", json, ...values }) => {
    const to = values.to === undefined ? new Date() : timeOf("to", values.to);
    const asked = auditOperations.summary.input.safeParse({
      company: subdomain,
      from: values.from === undefined ? new Date(to.getTime() - weekMs) : timeOf("from", values.from),
      to,
      by,
      secretKey: values["secret-key"],
    });
    if (!asked.success) throw malformedInput(asked.error);
    const summary = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.audit.summary.query(asked.data),
    );
    if (json) return printJson(summary);
    const parts = [
      table(
        [by === "hour" ? "HOUR" : "DAY", ...numbers],
        summary.buckets.map((bucket) => [minute(bucket.at), ...cellsOf(bucket)]),
      ),
      table(
        ["SECRET KEY", ...numbers],
        summary.secrets.map((secret) => [secret.secretKey, ...cellsOf(secret)]),
      ),
      table(
        ["ACTOR", ...numbers],
        summary.actors.map((actor) => [actorText(actor), ...cellsOf(actor)]),
      ),
    ];
    print(parts.join("\n\n"));
  },
});

const proofFields = auditOperations.proof.input.shape;

export const proofCommand = defineCommand({
  positionals: [],
  options: { company: fieldOption(proofFields.company, { type: "string", value: "subdomain" }) },
  details: `Shows how far the audit log is sealed, how many events are not sealed yet, what the last verification found, and the
fingerprint of the public key that "audit public-key" prints. For operators.`,
  examples: ["audit proof", "audit proof --company acmecorp"],
  run: async ({ company: subdomain, json }) => {
    const proof = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.audit.proof.query({ company: subdomain }),
    );
    if (json) return printJson(proof);
    const { sealed, unsealed, verification, keyFingerprint } = proof;
    print(
      [
        sealed === undefined
          ? "Nothing is sealed yet."
          : `Sealed up to batch ${sealed.batch}, of ${sealed.at.toISOString()}; ${unsealed} events are not sealed yet.`,
        verification === undefined
          ? "It was not verified yet."
          : `Verified up to batch ${verification.batch}, at ${verification.finishedAt.toISOString()}: ${verification.outcome}, ${verification.findings} findings.`,
        `Fingerprint of the public key: ${keyFingerprint}`,
      ].join("\n"),
    );
  },
});
