import { z } from "zod";
import type { CopiedCompany } from "../access/signed-copies.ts";

/** What the signed copy of a company says. Later formats may say more. */
const CompanyCopy = z.object({
  format: z.literal(1),
  subdomain: z.string(),
  secondFactorRequired: z.boolean(),
  recoveryDays: z.int(),
});
export type CompanyCopy = Readonly<z.infer<typeof CompanyCopy>>;

/** The body of the copy of an active company: JSON. */
export function companyCopyOf({ subdomain, secondFactorRequired, recoveryDays }: CopiedCompany): string {
  const copy: CompanyCopy = { format: 1, subdomain, secondFactorRequired, recoveryDays };
  return JSON.stringify(copy);
}

/** @returns undefined for a body of another form */
export function parseCompanyCopy(body: string): CompanyCopy | undefined {
  try {
    return CompanyCopy.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}
