import { z } from "zod";
import { TenantSecretsError } from "@repo/catalog";
import { DeletionReceipt } from "./keys/deletion/deletion-receipt.ts";
import { ShreddingReceipt } from "./keys/shredding/receipt.ts";
import { RegionGoneReceipt } from "./regions/receipts.ts";
import { readDocument } from "./runs/signed-document.ts";
import { parseSigned, verifySigned } from "./runs/signed-receipt.ts";
import { ExportReceipt } from "./vault/export-receipt.ts";

/** Every kind of receipt, told apart by its format. */
const Receipt = z.discriminatedUnion("format", [
  ShreddingReceipt,
  DeletionReceipt,
  RegionGoneReceipt,
  ExportReceipt,
]);
export type Receipt = z.infer<typeof Receipt>;

const formats = Receipt.options.map((kind) => kind.shape.format.value);

/**
 * Verifies a receipt of any kind, and the receipt of the shredding inside that of a deletion, with public keys alone.
 *
 * @param text the file with `receipt` and `signature`
 * @param publicKeys PEM, as `keys public-key` prints it
 * @returns the receipt's content; its format says which kind it is
 * @throws {TenantSecretsError} INTEGRITY_FAILURE for a modified receipt or another key's signature; NOT_SUPPORTED for a kind of a
 *   later release; INVALID_INPUT for a key of another kind
 */
export function verifyReceipt(text: string, publicKeys: string): Receipt {
  requireKnownFormat(text);
  const content = verifySigned(Receipt, text, publicKeys);
  if (content.format === "tenant-secrets-deletion/1")
    verifySigned(ShreddingReceipt, JSON.stringify(content.shredding), publicKeys);
  return content;
}

const Stated = z.looseObject({ format: z.string().regex(/^tenant-secrets-[a-z-]{1,40}\/\d{1,9}$/) });

function requireKnownFormat(text: string): void {
  const stated = readDocument(Stated, parseSigned(text).receipt)?.format;
  if (stated === undefined || formats.some((format) => format === stated)) return;
  throw new TenantSecretsError(
    "NOT_SUPPORTED",
    `The format of this receipt is ${stated}, which this release does not know: verify it with the release that made it.`,
  );
}
