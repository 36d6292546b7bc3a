import { createHash } from "node:crypto";
import { z } from "zod";
import type { SigningKey } from "@repo/audit-log";
import { type Actor, FileFormat, LeftOutReason, RevealPurpose } from "@repo/catalog";
import { signReceipt, type SignedReceipt } from "../runs/signed-receipt.ts";

const format = "tenant-secrets-export/1";
const Count = z.int().nonnegative();

/** The content of the receipt of an encrypted export. docs/import-export.md explains it to its recipient. */
export const ExportReceipt = z.strictObject({
  format: z.literal(format),
  id: z.uuid(),
  company: z.strictObject({ id: z.uuid(), subdomain: z.string() }),
  /** Where it was exported. */
  region: z.string(),
  exportedAt: z.iso.datetime(),
  exportedBy: z.string(),
  purpose: RevealPurpose,
  /** The patterns of the secret keys that the exporter may export: `*` for all. */
  secretKeys: z.array(z.string()),
  /** Public keys of age, as they were given. */
  recipients: z.array(z.string()),
  /** The encrypted file, and the format of what is inside. */
  file: z.strictObject({
    format: FileFormat,
    bytes: Count,
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
  secrets: z.array(z.strictObject({ secretKey: z.string(), version: Count })),
  leftOut: z.array(z.strictObject({ secretKey: z.string(), reason: LeftOutReason })),
});
type ExportReceipt = z.infer<typeof ExportReceipt>;

/** The receipt's facts, without what only the transaction that keeps it knows. */
export type ExportFacts = Omit<ExportReceipt, "format" | "id" | "exportedAt">;

export function signExport(facts: Omit<ExportReceipt, "format">, key: SigningKey): SignedReceipt {
  return signReceipt(ExportReceipt, { format, ...facts }, key);
}

/** The size and the hash of an encrypted file, as its receipt has them. */
export function measureFile(file: string): Pick<ExportReceipt["file"], "bytes" | "sha256"> {
  const bytes = Buffer.from(file, "utf8");
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** The patterns of the secret keys that an actor reaches. */
export function patternsOf(actor: Actor): string[] {
  return actor.kind === "user" || actor.kind === "operator" ? ["*"] : [...actor.grant.secretKeys];
}
