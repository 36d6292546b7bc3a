import { TenantSecretsError } from "@repo/catalog";

/** What `open` returns; undefined where it ends in INTEGRITY_FAILURE. */
export function undefinedIfCorrupt<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof TenantSecretsError && error.code === "INTEGRITY_FAILURE") return undefined;
    throw error;
  }
}
