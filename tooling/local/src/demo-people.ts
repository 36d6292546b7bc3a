import { randomBytes, randomUUID } from "node:crypto";
import type { deliveryChatCatalog } from "@repo/delivery-chat";
import { createSignIn, type Accounts } from "@repo/sign-in";
import { codeOf } from "@repo/sign-in/authenticator-code";
import type { Caller, TenantSecrets } from "@repo/tenant-secrets";
import { demoPeople, passwordOf, totpOf } from "./credentials.ts";
import type { CredentialStore } from "./credentials.ts";

export interface DemoSignIn {
  /** Of the role tenant_secrets_sign_in. */
  readonly databaseUrl: string;
  readonly publicUrl: string;
}

interface PeopleToSeed {
  readonly secrets: TenantSecrets<typeof deliveryChatCatalog>;
  readonly operator: Caller;
  readonly signIn: DemoSignIn;
  /** Default: all of the demo. */
  readonly people?: typeof demoPeople;
}

const passwordBytes = 15;
const linkMs = 90 * 24 * 3_600_000;

/**
 * Makes people of the demo, each with a random password and an authenticator app. Those who are there keep theirs.
 *
 * @throws {TenantSecretsError} as `members.add` does
 */
export async function seedPeople(
  { secrets, operator, signIn: options, people = demoPeople }: PeopleToSeed,
  store: CredentialStore,
): Promise<void> {
  const signIn = createSignIn({
    ...options,
    secrets: () => secrets.admin.signInSecrets.load(),
    // This process makes accounts, and takes no step of a sign-in.
    sendMail: async () => {},
    admit: async () => {},
    onEvent: async () => {},
  });
  try {
    for (const [person, { name, email, roles, isOperator }] of Object.entries(people)) {
      let userId = "";
      for (const [company, role] of Object.entries(roles)) {
        const members = await secrets.admin.members.list(operator, company);
        const member =
          members.find((each) => each.email === email) ??
          (await secrets.admin.members.add(operator, company, { email, name, role }));
        userId = member.userId;
      }
      if (isOperator === true) {
        const expiresAt = new Date(Date.now() + linkMs);
        ({ userId } = await secrets.admin.operators.link(operator, { email, name, expiresAt }));
      }
      await signIn.accounts.setName(userId, name);
      await seedPassword(signIn.accounts, { userId, name: passwordOf(person) }, store);
      await seedTotp(signIn.accounts, { userId, name: totpOf(person) }, store);
    }
  } finally {
    await signIn.close();
  }
}

interface Wanted {
  readonly userId: string;
  /** Of the credential. */
  readonly name: string;
}

async function seedPassword(
  accounts: Accounts,
  { userId, name }: Wanted,
  { known, keep }: CredentialStore,
): Promise<void> {
  const hasOne = await accounts.hasPassword(userId);
  if (hasOne && known(name) !== undefined) return;
  const password = known(name) ?? randomBytes(passwordBytes).toString("base64url");
  keep(name, password);
  if (hasOne) await accounts.setPassword(userId, { password, keepSession: randomUUID() });
  else await accounts.createPassword(userId, password);
}

async function seedTotp(
  accounts: Accounts,
  { userId, name }: Wanted,
  { known, keep }: CredentialStore,
): Promise<void> {
  const { factors } = await accounts.describe(userId);
  if (factors.totp && known(name) !== undefined) return;
  if (factors.totp) await accounts.resetSecondFactor(userId);
  const { secret } = await accounts.totp.begin(userId);
  keep(name, secret);
  // The code of the period before, since each counts once: the current one is for the first sign-in.
  const code = await codeOf(secret, -1);
  await accounts.totp.finish(userId, { code, keepSession: randomUUID() });
}
