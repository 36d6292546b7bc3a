import type { ExternalKeyState } from "@repo/catalog";
import { withApi } from "../api.ts";
import { confirm } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { print, printJson } from "../output.ts";

export const showCommand = defineCommand({
  positionals: ["company"],
  options: {},
  details: `Shows whether a company's keys are wrapped by a key of its own, and what that key answers. For operators.`,
  examples: ["companies external-key acmecorp"],
  run: async ({ company, json }) => {
    const state = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.externalKey.query({ company }),
    );
    if (json) printJson(state);
    else print(`${company}: ${sentenceOf(state)}`);
  },
});

export const setCommand = defineCommand({
  positionals: ["company"],
  options: {
    key: {
      type: "string",
      required: true,
      value: "arn",
      help: "The full ARN of a symmetric key in AWS KMS, whose policy allows this deployment kms:Encrypt and kms:Decrypt",
    },
    yes: { type: "boolean", help: "Do not ask" },
  },
  details: `Makes a new key of the company that its own key has encrypted too; a job encrypts everything under it and destroys the
earlier ones. From then on nothing of the company opens without that key. Another key in its place, and taking it away, are up to
an owner of the company. For operators.`,
  examples: [
    "companies set-external-key acmecorp --key arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
  ],
  run: async ({ company, key, yes, json }) => {
    await confirm(
      `Have the keys of ${company} wrapped by ${key}? Without that key nothing of it opens.`,
      yes,
    );
    const state = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.companies.setExternalKey.mutate({ company, key }),
    );
    if (json) printJson(state);
    else print(`${company}: ${sentenceOf(state)}`);
  },
});

const answers = {
  opens: "it opens",
  denied: "it refuses",
  wrong: "its answers do not fit",
  unavailable: "its service does not answer",
} as const satisfies Record<NonNullable<ExternalKeyState["answer"]>, string>;

function sentenceOf({ state, key, answer }: ExternalKeyState): string {
  const says = answer === undefined ? "" : `; ${answers[answer]}`;
  switch (state) {
    case "none":
      return "no key of its own.";
    case "removing":
      return "its own key is being taken away; some of it still needs that key.";
    case "changing":
      return `not in force yet: everything is being encrypted under ${key}${says}.`;
    case "in-force":
      return `in force: ${key}${says}.`;
  }
}
