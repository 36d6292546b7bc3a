import type { Role } from "@repo/tenant-secrets/client";

interface RoleWords {
  readonly label: string;
  /** Below the label in lists. */
  readonly short: string;
  /** What a person with the role may do, where it is given. */
  readonly sentence: string;
}

/** In words what packages/tenant-secrets/src/access/permissions.ts allows each role. */
export const roleWords: Readonly<Record<Role, RoleWords>> = {
  owner: {
    label: "Owner",
    short: "Everything, owners included",
    sentence: "Everything that an admin may do, and invites, changes and removes owners.",
  },
  admin: {
    label: "Admin",
    short: "Secrets, people, API keys, settings",
    sentence: "Reveals, changes and removes secrets, and manages people, API keys and settings.",
  },
  member: {
    label: "Member",
    short: "Adds and replaces secrets",
    sentence: "Sees the list of secrets, adds and replaces values. Reveals none.",
  },
  auditor: {
    label: "Auditor",
    short: "Sees lists and the audit log",
    sentence: "Sees the list of secrets and the audit log. Changes nothing, and sees no value.",
  },
};

/** From the one with the most rights to the one with the least. */
const ranked = ["owner", "admin", "member", "auditor"] as const satisfies readonly Role[];

export function rankOf(role: Role): number {
  return ranked.indexOf(role);
}

/** The roles that a person with `own` may give to others, and take from them. */
export function rolesGivenBy(own: Role): readonly Role[] {
  if (own === "owner") return ranked;
  return own === "admin" ? ranked.filter((role) => role !== "owner") : [];
}
