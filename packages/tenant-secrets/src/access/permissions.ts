import {
  type Actor,
  type CompanyId,
  forbidden,
  type Grant,
  notFound,
  patternCovers,
  type Role,
  type TenantSecretsError,
  type Verb,
} from "@repo/catalog";

/**
 * The maximum permissions of each kind of actor. Anything else is denied; an API key or a job also needs the verb in its grant.
 * Operators have the webhook endpoints of the platform, and none of a company's.
 */
export const permissions = {
  owner: [
    "describe",
    "use",
    "reveal",
    "export",
    "write",
    "rotate",
    "delete",
    "audit",
    "search",
    "members",
    "webhooks",
  ],
  admin: [
    "describe",
    "use",
    "reveal",
    "export",
    "write",
    "rotate",
    "delete",
    "audit",
    "search",
    "members",
    "webhooks",
  ],
  member: ["describe", "use", "write"],
  auditor: ["describe", "audit"],
  service: ["describe", "use", "export", "write", "delete"],
  job: ["describe", "use", "write", "rotate", "delete"],
  operator: ["describe", "rotate", "audit", "search", "members", "webhooks", "companies", "operators"],
} as const satisfies Readonly<Record<Role | Exclude<Actor["kind"], "user">, readonly Verb[]>>;

/** Whether an actor may know that a company exists. */
export function entersCompany(actor: Actor, companyId: string): boolean {
  switch (actor.kind) {
    case "user":
      return [...actor.roles.keys()].some((id) => id === companyId);
    case "service":
      return actor.companyIds.some((id) => id === companyId);
    case "operator":
    case "job":
      return true;
  }
}

/** Whether an actor has `verb` in a company: for `secretKey`, or without one, for at least one secret. */
export function permits(
  actor: Actor,
  verb: Verb,
  { companyId, secretKey }: { readonly companyId: CompanyId; readonly secretKey?: string | undefined },
): boolean {
  switch (actor.kind) {
    case "user": {
      const role = actor.roles.get(companyId);
      return role !== undefined && includes(permissions[role], verb);
    }
    case "service":
      return (
        entersCompany(actor, companyId) &&
        includes(permissions.service, verb) &&
        grants(actor.grant, verb, secretKey)
      );
    case "job":
      return includes(permissions.job, verb) && grants(actor.grant, verb, secretKey);
    case "operator":
      return verb !== "webhooks" && includes(permissions.operator, verb);
  }
}

/**
 * Whether an actor may give a person `role` in a company, and change people who have it. Only owners and operators may do so
 * for owners.
 */
export function givesRole(actor: Actor, companyId: CompanyId, role: Role): boolean {
  if (!permits(actor, "members", { companyId })) return false;
  return role !== "owner" || actor.kind !== "user" || actor.roles.get(companyId) === "owner";
}

/** Whether an actor has a verb on the platform. */
export function permitsOnPlatform(actor: Actor, verb: Verb): boolean {
  return actor.kind === "operator" && includes(permissions.operator, verb);
}

/** Whether the actor's grant covers a secret; the actor cannot see secrets outside it. */
export function covers(actor: Actor, secretKey: string): boolean {
  return actor.kind === "user" || actor.kind === "operator" || coversKey(actor.grant, secretKey);
}

/** The error for an actor without the permission: NOT_FOUND for a secret that its grant does not cover. */
export function refusal(actor: Actor, verb: Verb, secretKey?: string): TenantSecretsError {
  return secretKey !== undefined && !covers(actor, secretKey) ? notFound() : forbidden(verb);
}

function grants(grant: Grant, verb: Verb, secretKey: string | undefined): boolean {
  return includes(grant.verbs, verb) && (secretKey === undefined || coversKey(grant, secretKey));
}

function coversKey(grant: Grant, secretKey: string): boolean {
  return grant.secretKeys.some((pattern) => patternCovers(pattern, secretKey));
}

function includes(list: readonly Verb[], verb: Verb): boolean {
  return list.includes(verb);
}
