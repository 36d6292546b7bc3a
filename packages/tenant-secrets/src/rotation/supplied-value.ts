import { TenantSecretsError } from "@repo/catalog";
import type { Plaintext } from "@repo/envelope";
import type { DriverCall, RotationDriver } from "./drivers/driver.ts";
import { DriverError } from "./drivers/driver-error.ts";

/** What a provider says of a value that a person supplies. */
export type Verdict = "good" | "rejected" | "other-account" | "unknown-account";

export async function verdictOf(
  driver: RotationDriver,
  call: DriverCall,
  { given, current }: { readonly given: Plaintext; readonly current: Plaintext | undefined },
): Promise<Verdict> {
  try {
    const result = await driver.test(call, given);
    if (result === "rejected") return "rejected";
    if (driver.sameAccount === undefined || current === undefined) return "good";
    const same = await driver.sameAccount(call, current, given);
    return same === true ? "good" : same === false ? "other-account" : "unknown-account";
  } catch (error) {
    if (!(error instanceof DriverError)) throw error;
    return "unknown-account";
  }
}

/** @throws {TenantSecretsError} */
export function requireGood(verdict: Verdict, sameAccount: boolean): void {
  if (verdict === "rejected")
    throw new TenantSecretsError(
      "INVALID_VALUE",
      "The provider does not accept this value: nothing was stored.",
    );
  if (verdict === "other-account")
    throw new TenantSecretsError(
      "CONFLICT",
      "This value belongs to another account of the provider, or to another mode of it: nothing was stored.",
    );
  if (verdict === "unknown-account" && !sameAccount)
    throw new TenantSecretsError(
      "CONFLICT",
      "The provider does not say which account this value belongs to: look, and confirm that it is the same one.",
      { fields: ["sameAccount"] },
    );
}

export function isOld(): TenantSecretsError {
  return new TenantSecretsError(
    "INVALID_VALUE",
    "This value is active already: enter the one that was made now. Nothing was stored.",
  );
}
