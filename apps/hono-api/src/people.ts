import type { Catalog, TenantSecrets } from "@repo/tenant-secrets";
import { createSignIn, type Mail, type SignIn } from "@repo/sign-in";

export interface PeopleOptions {
  /** Of the role tenant_secrets_sign_in. */
  readonly databaseUrl: string;
  readonly publicUrl: string;
  readonly sendMail: (mail: Mail) => Promise<void>;
  /** The product, which is created with this sign-in and so after it. */
  readonly secrets: () => Pick<TenantSecrets<Catalog>, "admin">;
}

/** The sign-in of people, with the limits and the audit log of the product. @throws {TypeError} as `createSignIn` */
export function signPeopleIn({ secrets, ...options }: PeopleOptions): SignIn {
  return createSignIn({
    ...options,
    secrets: () => secrets().admin.signInSecrets.load(),
    admit: (key, from) => secrets().admin.signInSteps.admit(key, from),
    onEvent: (step) => secrets().admin.signInSteps.record(step),
  });
}
