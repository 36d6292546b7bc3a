import { TenantSecretsError } from "@repo/catalog";

/** @returns what `open` does; undefined where it throws INTEGRITY_FAILURE. Other errors are thrown */
export function undefinedIfCorrupt<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof TenantSecretsError && error.code === "INTEGRITY_FAILURE") return undefined;
    throw error;
  }
}
