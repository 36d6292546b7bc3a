import type { deliveryChatCatalog } from "@repo/delivery-chat";
import type { InfisicalClient } from "@repo/infisical";
import { CredentialRejected, systemCaller, type TenantSecrets } from "@repo/tenant-secrets";
import type { DemoCompany } from "./credentials.ts";

type DeliveryChat = TenantSecrets<typeof deliveryChatCatalog>;

const product = systemCaller("local-start", {
  verbs: ["describe", "use", "write", "delete"],
  secretKeys: ["*"],
});
const company: DemoCompany = "acmecorp";
const dayMs = 24 * 3_600_000;
const graceSeconds = 7 * 24 * 3600;

const inDays = (days: number): Date => new Date(Date.now() + days * dayMs);
const oauth = (provider: string) => ({
  clientId: `fake_${provider}_client_acmecorp`,
  clientSecret: `fake_${provider}_secret_acmecorp_0001`,
});

/** The values that every company of the demo has. Existing ones stay. @throws {TenantSecretsError} as `set` does */
export async function seedValues(
  secrets: DeliveryChat,
  infisical: InfisicalClient,
  subdomain: string,
): Promise<void> {
  const handle = secrets.company(subdomain, product);
  const present = new Set((await handle.list()).secrets.map(({ secretKey }) => secretKey));
  const values = {
    STRIPE_SECRET_KEY: `sk_test_fake_${subdomain.replaceAll("-", "_")}_0001`,
    SENDGRID_API_KEY: `SG.fake_${subdomain}.fake_sendgrid_key_0001`,
    CUSTOM_API_KEY: `fake_custom_${subdomain}_0001`,
  } as const;
  for (const secretKey of ["STRIPE_SECRET_KEY", "SENDGRID_API_KEY", "CUSTOM_API_KEY"] as const) {
    if (present.has(secretKey)) continue;
    // The demo's hybrid company has one value that its old folder alone knows, so that the look-up there can be seen.
    if (subdomain === company && secretKey === "SENDGRID_API_KEY") {
      await infisical.putSecret(`/tenants/${subdomain}`, secretKey, values[secretKey]);
    } else {
      await handle.set(secretKey, values[secretKey]);
    }
  }
}

/**
 * Brings acmecorp's secrets into every state that a list shows, beside those that every company of the demo has: rejected,
 * pending, replaced inside a grace window, soon to expire, expired, removed, and one with five versions. Existing ones stay.
 *
 * @param canCheck whether a Stripe is there that takes the demo's keys
 * @throws {TenantSecretsError} as `set` does
 */
export async function seedStates(secrets: DeliveryChat, canCheck: boolean): Promise<void> {
  const handle = secrets.company(company, product);
  const present = new Set((await handle.list()).secrets.map(({ secretKey }) => secretKey));
  const unless = async (secretKey: string, make: () => Promise<unknown>): Promise<void> => {
    if (!present.has(secretKey)) await make();
  };

  await unless("STRIPE_WEBHOOK_SECRET", async () => {
    await handle.set("STRIPE_WEBHOOK_SECRET", "whsec_fake_acmecorp_endpoint_0001");
    await handle.stage("STRIPE_WEBHOOK_SECRET", "whsec_fake_acmecorp_endpoint_0002", {
      note: "The endpoint's next secret, until Stripe signs with it",
    });
  });
  await unless("WEBHOOK_SIGNING_SECRET", async () => {
    await handle.set("WEBHOOK_SIGNING_SECRET", signingSecret("1"));
    await handle.set("WEBHOOK_SIGNING_SECRET", signingSecret("2"), {
      note: "Partners change within a week",
      graceSeconds,
    });
  });
  await unless("OAUTH_GOOGLE", () => handle.set("OAUTH_GOOGLE", oauth("google"), { expiresAt: inDays(5) }));
  await unless("OAUTH_MICROSOFT", () =>
    handle.set("OAUTH_MICROSOFT", oauth("microsoft"), { expiresAt: inDays(-2) }),
  );
  await unless("OAUTH_GITHUB", async () => {
    await handle.set("OAUTH_GITHUB", oauth("github"));
    await reject(() =>
      handle.use("OAUTH_GITHUB", () => {
        throw new CredentialRejected();
      }),
    );
  });
  await unless("CUSTOM_SMTP_PASSWORD", async () => {
    await handle.set("CUSTOM_SMTP_PASSWORD", "fake_smtp_password_acmecorp");
    await handle.remove("CUSTOM_SMTP_PASSWORD");
  });
  const history = await handle.history("CUSTOM_API_KEY");
  for (let next = history.versions.length + 1; next <= 5; next += 1) {
    await handle.set("CUSTOM_API_KEY", `fake_custom_acmecorp_000${next}`, { note: `Rotation ${next - 1}` });
  }
  if (!canCheck) return;
  const scope = await secrets.admin.companies.resolve({ caller: product, action: "secret.check" }, company);
  await secrets.admin.vault.check(scope, { secretKey: "STRIPE_SECRET_KEY" });
}

/** Of the Standard Webhooks form, with 24 bytes that say what they are. */
function signingSecret(version: string): string {
  return `whsec_${Buffer.from(`fake-acmecorp-signing-${version}`.padEnd(24, "0")).toString("base64")}`;
}

/** The provider's refusal is what was wanted. */
async function reject(use: () => Promise<unknown>): Promise<void> {
  try {
    await use();
  } catch (error) {
    if (!(error instanceof CredentialRejected)) throw error;
  }
}
