import type { Caller } from "@repo/catalog";

/**
 * Whether a signed-in person must add a second factor before anything else: owners and admins of any company, and those who may
 * act as operators.
 */
export function lacksSecondFactor({ actor, session, link }: Caller): boolean {
  if (session === undefined || session.enrolled || actor.kind !== "user") return false;
  if (link !== undefined) return true;
  return [...actor.roles.values()].some((role) => role === "owner" || role === "admin");
}
