import type { Credentials } from "./credentials.ts";

/** Where everything is, once it runs. */
export interface Addresses {
  readonly api: string;
  readonly metrics: string;
  /** The API under the name of one company. */
  readonly companyUrl: (subdomain: string) => string;
  /** Of the maintenance role. */
  readonly database: string;
}

/**
 * What to try, each line with what it needs to work as it is pasted.
 *
 * @param stripe whether payments go to the local Stripe, which takes the demo's keys
 */
export function demoBanner(addresses: Addresses, credentials: Credentials, stripe: boolean): string {
  const { api, metrics, companyUrl, database } = addresses;
  const bearer = (name: string) => `-H 'authorization: Bearer ${credentials[name] ?? ""}'`;
  const json = (body: unknown) => `-H 'content-type: application/json' -d '${JSON.stringify(body)}'`;
  const pay = (company: string, key: string) =>
    `curl -sS -X POST ${companyUrl(company)}/api/payments/create ${bearer(key)} ${json({ amount: 1999, currency: "eur" })}`;
  const as = (name: string) => `TENANT_SECRETS_URL=${api} TENANT_SECRETS_API_KEY=${credentials[name] ?? ""}`;
  const cli = "npx pnpm --silent secrets";
  const read = { json: { company: "acmecorp", secretKey: "STRIPE_SECRET_KEY" } };

  return sections([
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
      "Read a value over tRPC",
      [`curl -sS -X POST ${api}/trpc/secrets.read ${bearer("acmecorp")} ${json(read)}`],
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
      "As an operator, who manages companies and reads no value",
      [
        `TENANT_SECRETS_URL=${api} TENANT_SECRETS_OPERATOR_TOKEN=${credentials["operator"] ?? ""} ${cli} companies list`,
      ],
    ],
    [
      "The rows as they lie in the database (any PostgreSQL client takes that URL)",
      [`DATABASE_MAINTENANCE_URL=${database} npx pnpm --silent --filter @repo/local rows`],
    ],
  ]);
}

/** What to do next on servers that are not ours to put anything into. */
export function realServersBanner(api: string): string {
  return [
    "Nothing was put into your servers: no company, no key, no value. The first operator is made with",
    "the same environment, then companies and their keys as that operator:",
    "",
    "  npx pnpm secrets operators create NAME --expires-in 90d",
    `  TENANT_SECRETS_URL=${api} TENANT_SECRETS_OPERATOR_TOKEN=… npx pnpm secrets companies create SUBDOMAIN --store database`,
    "",
  ].join("\n");
}

function sections(all: readonly (readonly [title: string, lines: readonly string[]])[]): string {
  const texts = all.map(([title, lines]) => [title, ...lines.map((line) => `  ${line}`), ""].join("\n"));
  return ["To paste, in this folder (all credentials are of this machine's demo):", "", ...texts].join("\n");
}
