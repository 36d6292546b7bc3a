import { z } from "zod";
import type { SigningKey } from "@repo/audit-log";
import { signReceipt, type SignedReceipt } from "../../runs/signed-receipt.ts";

const format = "tenant-secrets-deletion/1";
const Count = z.int().nonnegative();

/** The content of the receipt of a deleted company. docs/companies.md explains it to its recipient. */
export const DeletionReceipt = z.strictObject({
  format: z.literal(format),
  company: z.strictObject({ id: z.uuid(), subdomain: z.string() }),
  requestedBy: z.string(),
  requestedAt: z.iso.datetime(),
  /** Null where the deployment lets one operator act alone. */
  approvedBy: z.string().nullable(),
  deletedAt: z.iso.datetime(),
  removed: z.strictObject({
    members: Count,
    invitations: Count,
    rotationPolicies: Count,
    lastUses: Count,
  }),
  /** Credentials that rotations have made and that may be valid still, by their names at the provider. */
  atProviders: z.array(z.strictObject({ secretKey: z.string(), name: z.string() })),
  /** The receipt of the shredding, which has a signature of its own: keys, values, API keys, endpoints, copies, backups. */
  shredding: z.strictObject({ receipt: z.string(), signature: z.string() }),
  /** Never given to another company. */
  reserved: z.strictObject({ subdomains: z.array(z.string()), infisicalFolder: z.string() }),
  /** What stays, in sentences. */
  remains: z.array(z.string()),
});
type DeletionReceipt = z.infer<typeof DeletionReceipt>;

const remains = [
  "The row of the company, its subdomains and the name of its folder stay, so that none of them is given to another company.",
  "Names of secrets, numbers of versions, their dates, authors and notes stay. They hold no value.",
  "The audit log stays for as long as the deployment's retention says, with the names of its people that it shows.",
  "The accounts of people stay: a person may belong to other companies.",
  "The receipt of the shredding says what backups still hold, and until when.",
];

export function signDeletion(
  facts: Omit<DeletionReceipt, "format" | "remains">,
  key: SigningKey,
): SignedReceipt {
  return signReceipt(DeletionReceipt, { format, ...facts, remains }, key);
}
