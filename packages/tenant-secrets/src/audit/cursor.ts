import { createHmac, hkdfSync } from "node:crypto";
import type { AuditKey } from "@repo/audit-log";
import { TenantSecretsError } from "@repo/catalog";
import { encodeFields, fromBase64url, toBase64url, sameBytes } from "@repo/envelope";

/** The list that a cursor is valid for: a text of the kind of list, its owner and its filters. */
export type CursorScope = readonly string[];

const macBytes = 16;

/** @param after the start of the next page, which is not secret */
export function cursorOf(key: AuditKey, scope: CursorScope, after: string): string {
  return `${after}.${toBase64url(macOf(key, scope, after))}`;
}

/**
 * @returns the start of the next page
 * @throws {TenantSecretsError} INVALID_INPUT for a cursor that was changed or forged, and for one of another list or company,
 *   or under an audit key that has been rotated since
 */
export function readCursor(key: AuditKey, scope: CursorScope, cursor: string): string {
  const [after = "", mac = "", ...rest] = cursor.split(".");
  const given = fromBase64url(mac);
  const genuine = rest.length === 0 && given !== undefined && sameBytes(given, macOf(key, scope, after));
  if (genuine) return after;
  throw new TenantSecretsError(
    "INVALID_INPUT",
    "This is not a cursor of this list: start without one, and continue with the cursor of each answer.",
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
