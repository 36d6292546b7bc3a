import type { deliveryChatCatalog } from "@repo/delivery-chat";
import type { Caller, TenantSecrets } from "@repo/tenant-secrets";
import type { DemoCompany } from "./credentials.ts";

interface AccessToSeed {
  readonly secrets: TenantSecrets<typeof deliveryChatCatalog>;
  readonly operator: Caller;
  /** Whether invitations can be mailed. */
  readonly canInvite: boolean;
}

const company: DemoCompany = "acmecorp";
const lifeMs = 30 * 24 * 3_600_000;

/**
 * Two more API keys of acmecorp, one that no program has used and one that is revoked, and two open invitations. Existing ones
 * stay.
 *
 * @throws {TenantSecretsError} as `apiKeys.create` and `invitations.create` do
 */
export async function seedAccess({ secrets, operator, canInvite }: AccessToSeed): Promise<void> {
  const { apiKeys, invitations } = secrets.admin;
  const keys = new Set((await apiKeys.list(operator, company)).map(({ name }) => name));
  const make = (name: string) =>
    apiKeys.create(operator, {
      name,
      companies: [company],
      platform: false,
      verbs: ["describe", "use"],
      secretKeys: ["STRIPE_*"],
      expiresAt: new Date(Date.now() + lifeMs),
    });
  if (!keys.has("reporting")) await make("reporting");
  if (!keys.has("former deployment")) {
    const { description } = await make("former deployment");
    await apiKeys.revoke(operator, company, description.id);
  }
  if (!canInvite) return;
  const invited = new Set((await invitations.list(operator, company)).map(({ email }) => email));
  for (const [email, role] of [
    ["noa@acmecorp.example", "admin"],
    ["sam@agency.example", "member"],
  ] as const) {
    if (!invited.has(email)) await invitations.create(operator, company, { email, role });
  }
}
