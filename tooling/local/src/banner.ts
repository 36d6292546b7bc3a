import type { Credentials } from "./credentials.ts";
import { rotatedCompany, rotatedKey } from "./demo-rotation.ts";

/** Where everything is, once it runs. */
export interface Addresses {
  readonly api: string;
  readonly metrics: string;
  /** The API under the name of one company. */
  readonly companyUrl: (subdomain: string) => string;
  /** Of the maintenance role. */
  readonly database: string;
  /** The local SendGrid, where there is one. */
  readonly sendgrid: string | undefined;
}

/**
 * What to try, each line with what it needs to work as it is pasted.
 *
 * @param stripe whether payments go to the local Stripe, which takes the demo's keys
 */
export function demoBanner(addresses: Addresses, credentials: Credentials, stripe: boolean): string {
  const { api, metrics, companyUrl, database, sendgrid } = addresses;
  const bearer = (name: string) => `-H 'authorization: Bearer ${credentials[name] ?? ""}'`;
  const json = (body: unknown) => `-H 'content-type: application/json' -d '${JSON.stringify(body)}'`;
  const pay = (company: string, key: string) =>
    `curl -sS -X POST ${companyUrl(company)}/api/payments/create ${bearer(key)} ${json({ amount: 1999, currency: "eur" })}`;
  const as = (name: string) => `TENANT_SECRETS_URL=${api} TENANT_SECRETS_API_KEY=${credentials[name] ?? ""}`;
  const asOperator = `TENANT_SECRETS_URL=${api} TENANT_SECRETS_OPERATOR_TOKEN=${credentials["operator"] ?? ""}`;
  const cli = "npx pnpm --silent secrets";
  const read = { company: "acmecorp", secretKey: "STRIPE_SECRET_KEY" };

  return sections("To paste, in this folder (all credentials are of this machine's demo):", [
    ["Is everything there?", [`curl -sS ${api}/readyz`]],
    ["How is it doing? For Prometheus and docs/grafana-dashboard.json", [`curl -sS ${metrics}`]],
    ...(stripe
      ? [
          [
            "Pay with acmecorp's own Stripe key, which then shows up here; and try its credential at another company",
            [pay("acmecorp", "acmecorp"), pay("another-company", "acmecorp")],
          ] as const,
        ]
      : []),
    [
      "Read a value over HTTP, from any language (docs/http-api.md)",
      [`curl -sS -X POST ${api}/api/v1/secrets.read ${bearer("acmecorp")} ${json(read)}`],
    ],
    [
      "The same from the command line. acmecorp is hybrid: one of its values is still in its Infisical folder",
      [
        `${as("acmecorp")} ${cli} list --company acmecorp`,
        `${as("acmecorp")} ${cli} get SENDGRID_API_KEY --company acmecorp`,
        `${as("codewiser")} ${cli} list --company codewiser`,
        `${as("platform")} ${cli} get STRIPE_SECRET_KEY --company another-company`,
      ],
    ],
    [
      "Set a value, from stdin so that it is in no shell history",
      [
        `printf %s sk_test_fake_acmecorp_0002 | ${as("acmecorp")} ${cli} set STRIPE_SECRET_KEY --company acmecorp`,
      ],
    ],
    [
      "As an operator, who manages companies and reads no value. Here one is enough to destroy keys (OPERATOR_APPROVALS=1); elsewhere another one has to approve it",
      [`${asOperator} ${cli} companies list`],
    ],
    ...(sendgrid === undefined
      ? []
      : [
          [
            "Each start rotates another-company's SendGrid key, and a webhook tells of it. Where that is; and a fault with which the next rotation makes a key that is revoked, and falls back to the one before within two minutes",
            [
              `${asOperator} ${cli} rotation now ${rotatedKey} --company ${rotatedCompany}`,
              `${asOperator} ${cli} rotation runs ${rotatedKey} --company ${rotatedCompany}`,
              `${asOperator} ${cli} webhooks log`,
              `curl -sS ${sendgrid}/faults --json '{"fault":"breakNew","for":{"calls":3}}'`,
            ],
          ] as const,
        ]),
    [
      "Move codewiser, whose secrets are in Infisical, to the database and back, as an operator",
      [
        `${asOperator} ${cli} migrate plan --company codewiser`,
        `${asOperator} ${cli} migrate copy --company codewiser`,
        `${asOperator} ${cli} migrate verify --company codewiser`,
        `${asOperator} ${cli} migrate switch --company codewiser --to database`,
        `${asOperator} ${cli} migrate rollback --company codewiser`,
      ],
    ],
    [
      "The rows as they lie in the database (any PostgreSQL client takes that URL)",
      [`DATABASE_MAINTENANCE_URL=${database} npx pnpm --silent --filter @repo/local rows`],
    ],
  ]);
}

/** The local servers that were started beside those that the environment names. */
export interface Mixture {
  readonly api: string;
  readonly metrics: string;
  /** The file with the variables of the local servers. Undefined if commands need none of them. */
  readonly envFile: string | undefined;
}

/**
 * The first steps with the user's own database or Infisical, each line with the variables that it needs beside the
 * environment of the start. Nothing is written there until the user pastes one of them.
 */
export function realServersBanner({ api, metrics, envFile }: Mixture): string {
  const direct = (command: string): string =>
    envFile === undefined
      ? `npx pnpm --silent secrets ${command}`
      : `npx pnpm --silent exec node --env-file=${quoted(envFile)} apps/cli/src/main.ts ${command}`;
  const remote = (command: string): string =>
    `TENANT_SECRETS_URL=${api} npx pnpm --silent secrets ${command}`;
  const exported = (name: string, command: string): string => `export ${name}="$(${command})"`;
  const key =
    "api-keys create --company acmecorp --name first-steps --verbs describe,use,write --secret-keys '*' --expires-in 1d";
  return sections(
    "Nothing was put into your servers: no company, no key, no value. To paste, in this folder, one after the other, in a " +
      "terminal with the environment of this start:",
    [
      ["Is everything there?", [`curl -sS ${api}/readyz`]],
      ["How is it doing? For Prometheus and docs/grafana-dashboard.json", [`curl -sS ${metrics}`]],
      [
        "The first operator, made next to the database; its token stays in this terminal",
        [
          exported(
            "TENANT_SECRETS_OPERATOR_TOKEN",
            direct("operators create first-operator --expires-in 90d"),
          ),
        ],
      ],
      [
        "A company, and a key to it",
        [
          remote("companies create acmecorp --store database"),
          exported("TENANT_SECRETS_API_KEY", remote(key)),
        ],
      ],
      [
        "A value, from stdin so that it is in no shell history, and back",
        [
          `printf %s sk_test_fake_acmecorp_0001 | ${remote("set STRIPE_SECRET_KEY --company acmecorp")}`,
          remote("get STRIPE_SECRET_KEY --company acmecorp"),
        ],
      ],
      ["The rows as they lie in the database", [rowsWith(envFile)]],
    ],
  );
}

function rowsWith(envFile: string | undefined): string {
  return envFile === undefined
    ? "npx pnpm --silent --filter @repo/local rows"
    : `npx pnpm --silent exec node --env-file=${quoted(envFile)} tooling/local/src/rows.ts`;
}

/** As one word of a shell's. */
function quoted(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function sections(
  introduction: string,
  all: readonly (readonly [title: string, lines: readonly string[]])[],
): string {
  const texts = all.map(([title, lines]) => [title, ...lines.map((line) => `  ${line}`), ""].join("\n"));
  return [introduction, "", ...texts].join("\n");
}
