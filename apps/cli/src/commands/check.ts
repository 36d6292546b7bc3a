import { vaultOperations } from "@repo/catalog";
import type { Api } from "../api.ts";
import { withApi } from "../api.ts";
import { wholeNumber } from "../arguments.ts";
import { defineCommand, fieldOption } from "../command.ts";
import { UsageError } from "../failure.ts";
import { minute, print, printJson, table } from "../output.ts";
import { company } from "./common-options.ts";

type Checked = { readonly secretKey: string } & Awaited<ReturnType<Api["secrets"]["check"]["mutate"]>>;

export const checkCommand = defineCommand({
  positionals: [],
  optional: "secretKey",
  options: {
    company,
    all: { type: "boolean", help: "Every secret of the company that can be checked, in place of one" },
    version: fieldOption(vaultOperations.check.input.shape.version, { type: "string", value: "version" }),
  },
  details: `Asks the provider of a credential whether it works, by a call that changes nothing, and keeps the answer with
the version: "accepted", "rejected", or "unknown" where the provider could not be asked. Exit code 6 where one is
rejected, 7 where one is unknown and none rejected. Stripe and SendGrid keys can be checked. Not on Infisical.`,
  examples: ["check STRIPE_SECRET_KEY --company acmecorp", "check --all --company acmecorp --json"],
  run: async ({ secretKey, all, company: subdomain, json, ...values }) => {
    if (all === (secretKey !== undefined)) throw new UsageError("Name one secret key, or say --all.");
    const version = wholeNumber("version", values.version);
    if (all && version !== undefined) throw new UsageError("--version goes with one secret key.");
    const checked = await withApi("TENANT_SECRETS_API_KEY", async (api) => {
      const found: Checked[] = [];
      for (const each of secretKey === undefined ? await checkable(api, subdomain) : [secretKey]) {
        const answer = await api.secrets.check.mutate({ company: subdomain, secretKey: each, version });
        found.push({ secretKey: each, ...answer });
      }
      return found;
    });
    if (json) printJson({ company: subdomain, checks: checked });
    else if (checked.length === 0) print(`${subdomain} has no secret that can be checked.`);
    else {
      print(
        table(
          ["SECRET KEY", "VERSION", "RESULT", "CHECKED"],
          checked.map((each) => [each.secretKey, String(each.version), each.result, minute(each.checkedAt)]),
        ),
      );
    }
    await failUnlessAccepted(checked);
  },
});

async function checkable(api: Api, subdomain: string): Promise<string[]> {
  const { readProduct } = await import("../product.ts");
  const { catalog } = await readProduct();
  const { secrets } = await api.secrets.list.query({ company: subdomain });
  return secrets
    .filter(({ secretKey, version }) => version > 0 && catalog.find(secretKey)?.check !== undefined)
    .map(({ secretKey }) => secretKey);
}

/** So that a script sees it by the exit code. */
async function failUnlessAccepted(checked: readonly Checked[]): Promise<void> {
  const { TenantSecretsError } = await import("@repo/tenant-secrets/client");
  const named = (result: Checked["result"]) =>
    checked.filter((each) => each.result === result).map(({ secretKey }) => secretKey);
  const [rejected, unknown] = [named("rejected"), named("unknown")];
  if (rejected.length > 0) {
    throw new TenantSecretsError("INVALID_VALUE", `Not accepted by the provider: ${rejected.join(", ")}.`);
  }
  if (unknown.length > 0) {
    throw new TenantSecretsError(
      "STORE_UNAVAILABLE",
      `The provider could not be asked: ${unknown.join(", ")}.`,
    );
  }
}
