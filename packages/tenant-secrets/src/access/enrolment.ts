import type { Caller } from "@repo/catalog";

/** Whether a signed-in person must add a second factor before anything else: owners and admins of any company. */
export function lacksSecondFactor({ actor, session }: Caller): boolean {
  if (session === undefined || session.enrolled || actor.kind !== "user") return false;
  return [...actor.roles.values()].some((role) => role === "owner" || role === "admin");
}
