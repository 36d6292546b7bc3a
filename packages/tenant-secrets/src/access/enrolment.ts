import { type Caller, TenantSecretsError } from "@repo/catalog";

/**
 * Whether a signed-in person has to have a second factor: owners and admins of any company, all members of one that asks for it,
 * and those who may act as operators.
 */
export function needsSecondFactor({ actor, session, link, secondFactorRequired }: Caller): boolean {
  if (session === undefined || actor.kind !== "user") return false;
  if (link !== undefined || secondFactorRequired === true) return true;
  return [...actor.roles.values()].some((role) => role === "owner" || role === "admin");
}

/** Whether a signed-in person must add a second factor before anything else. */
export function lacksSecondFactor(caller: Caller): boolean {
  return caller.session?.enrolled === false && needsSecondFactor(caller);
}

/** @returns FORBIDDEN for such a person */
export function secondFactorDue(caller: Caller): TenantSecretsError | undefined {
  if (!lacksSecondFactor(caller)) return undefined;
  return new TenantSecretsError(
    "FORBIDDEN",
    "This account needs a second factor: add a passkey or an authenticator app to it first.",
  );
}
