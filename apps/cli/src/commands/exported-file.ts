import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { SignedReceipt } from "@repo/tenant-secrets/operator";
import { TenantSecretsError } from "@repo/catalog";
import { UsageError } from "../failure.ts";

/** @returns the SHA-256 of a file in hexadecimal digits. @throws {UsageError} where it cannot be read */
export async function hashFile(option: string, path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash).catch(() => {
    throw new UsageError(`--${option} names a file that cannot be read.`);
  });
  return hash.digest("hex");
}

/**
 * That what came is what the receipt is about, and encrypted to the recipients that were asked for.
 *
 * @throws {TenantSecretsError} INTEGRITY_FAILURE
 */
export async function requireFileOf(
  signed: SignedReceipt | undefined,
  file: Buffer,
  recipients: readonly string[],
): Promise<void> {
  const { ExportReceipt, readReceipt } = await import("@repo/tenant-secrets/operator");
  const { file: of, recipients: to } = readReceipt(ExportReceipt, signed?.receipt ?? "");
  const isSame = of.sha256 === createHash("sha256").update(file).digest("hex");
  if (isSame && JSON.stringify(to) === JSON.stringify(recipients)) return;
  throw otherFile();
}

export function otherFile(): TenantSecretsError {
  return new TenantSecretsError(
    "INTEGRITY_FAILURE",
    "The receipt is not about this file: its SHA-256 is another one.",
  );
}
