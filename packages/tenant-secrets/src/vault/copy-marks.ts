import type { CopyMark } from "@repo/catalog";
import type { Company } from "../companies/companies.ts";
import type { CopyAges } from "../regions/copy-ages.ts";

/** What an answer says of itself that is a copy, and counts it. @returns nothing to add at the company's home */
export function copyMark(ages: CopyAges, copiedFrom: string | undefined): { readonly copy?: CopyMark } {
  if (copiedFrom === undefined) return {};
  ages.countRead(copiedFrom);
  return { copy: { homeRegion: copiedFrom, ageMs: ages.of(copiedFrom) } };
}

/** At home nothing is too old. @throws {TenantSecretsError} as the ages do */
export async function requireAge(
  ages: CopyAges,
  { home }: Company,
  maxAgeMs: number | undefined,
): Promise<void> {
  if (home !== undefined && maxAgeMs !== undefined) await ages.require(home.region, maxAgeMs);
}
