import { createHmac, hkdfSync } from "node:crypto";
import type { AuditKey } from "@repo/audit-log";
import { TenantSecretsError } from "@repo/catalog";
import { encodeFields, fromBase64url, toBase64url, sameBytes } from "@repo/envelope";

/** What a cursor is good for: any text that names the list, whose it is, and what it was asked for. */
export type CursorScope = readonly string[];

const macBytes = 16;

/** @param after where the next page begins, which is no secret */
export function cursorOf(key: AuditKey, scope: CursorScope, after: string): string {
  return `${after}.${toBase64url(macOf(key, scope, after))}`;
}

/**
 * @returns where the next page begins
 * @throws {TenantSecretsError} INVALID_INPUT for a cursor that was changed or made up, and for one of another list, another
 *   company, or a key of the audit log that was replaced since
 */
export function readCursor(key: AuditKey, scope: CursorScope, cursor: string): string {
  const [after = "", mac = "", ...rest] = cursor.split(".");
  const given = fromBase64url(mac);
  const genuine = rest.length === 0 && given !== undefined && sameBytes(given, macOf(key, scope, after));
  if (genuine) return after;
  throw new TenantSecretsError(
    "INVALID_INPUT",
    "This is not a cursor of this list: begin without one, and go on with what the answer has.",
  );
}

function macOf({ macKey }: AuditKey, scope: CursorScope, after: string): Buffer {
  const cursorKey = Buffer.from(hkdfSync("sha256", macKey, "", "tenant-secrets/cursor/1", 32));
  try {
    return createHmac("sha256", cursorKey)
      .update(encodeFields([...scope, after]))
      .digest()
      .subarray(0, macBytes);
  } finally {
    cursorKey.fill(0);
  }
}
