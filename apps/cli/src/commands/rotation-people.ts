import { type Api, withApi } from "../api.ts";
import { defineCommand } from "../command.ts";
import { print, printJson } from "../output.ts";
import { readSecretValue } from "../secret-value.ts";
import { company, keepNewline, noValueArgument } from "./common-options.ts";

const runExample = "0198f2c4-0000-7000-8000-000000000003";

export const supplyCommand = defineCommand({
  positionals: ["run"],
  surplus: noValueArgument,
  options: {
    company,
    "same-account": {
      type: "boolean",
      help: "You have looked: the value is of the same account, which the provider could not say",
    },
    "keep-newline": keepNewline,
  },
  details: `Enters the value that a person made at the provider, from standard input or a prompt, as with "set". The provider is asked
about it before anything is stored; it becomes current when its tests have passed. With an API key that may write the secret.`,
  examples: [
    `rotation supply ${runExample} --company acmecorp`,
    `pass show acmecorp/stripe | pnpm secrets rotation supply ${runExample} --company acmecorp --same-account`,
  ],
  run: async (values) => {
    const { run, company: subdomain, "same-account": sameAccount, json } = values;
    const value = await readSecretValue(`Next value for ${subdomain}`, values["keep-newline"]);
    const { version } = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.rotation.supply.mutate({ company: subdomain, run, value, sameAccount }),
    );
    if (json) printJson({ company: subdomain, run, version });
    else print(`Version ${version} is pending. It becomes current when it has passed its tests.`);
  },
});

export const confirmCommand = personCommand({
  action: "confirm",
  details: `Says that a person has ended the old credential at the provider. Refused while the provider still accepts it, or does not
accept the new one.`,
  done: "Confirmed. The run ends the rotation.",
});

export const endOrphanCommand = defineCommand({
  positionals: ["secretKey", "marker"],
  options: { company },
  details: `Says that a person has ended a credential at the provider that no run could end: "rotation show" lists those by the names
that they have there. It is listed no more. For operators.`,
  examples: ["rotation end-orphan SENDGRID_API_KEY ts-5b3e0c9a7d21-1 --company acmecorp"],
  run: async ({ secretKey, marker, company: subdomain, json }) => {
    await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.rotation.endOrphan.mutate({ company: subdomain, secretKey, marker }),
    );
    if (json) printJson({ company: subdomain, secretKey, marker, ended: true });
    else print(`${marker} is listed no more.`);
  },
});

export const abortCommand = personCommand({
  action: "abort",
  details: `Ends a rotation whose value is not current yet: the value is discarded, and its credential ended at the provider. The
current value stays.`,
  done: 'Aborted. What was made is ended: "rotation run" shows how far that is.',
});

export const fallBackCommand = personCommand({
  action: "fallBack",
  details: `Makes the value before the rotation current again, while its overlap lasts. The new credential is ended at the provider, and
the policy is paused until "rotation resume".`,
  done: 'The run makes the value before current again: "rotation run" shows when that is done.',
});

interface PersonCommand {
  readonly action: "confirm" | "abort" | "fallBack";
  readonly details: string;
  readonly done: string;
}

/** A command that asks one thing of a run. */
function personCommand({ action, details, done }: PersonCommand) {
  const name = action === "fallBack" ? "fall-back" : action;
  return defineCommand({
    positionals: ["run"],
    options: { company },
    details: `${details} For operators.`,
    examples: [`rotation ${name} ${runExample} --company acmecorp`],
    run: async ({ run, company: subdomain, json }) => {
      await withApi("TENANT_SECRETS_OPERATOR_TOKEN", ({ rotation }: Api) =>
        rotation[action].mutate({ company: subdomain, run }),
      );
      if (json) printJson({ company: subdomain, run, asked: name });
      else print(done);
    },
  });
}
