/** Where in Infisical the master keys are. */
export const masterKeyFolder = "/hono-api";

/** The name of a master key in Infisical. "default" is the strategy's own name, MASTER_ENCRYPTION_KEY. */
export function masterKeyName(region: string, version: number): string {
  if (region !== "default")
    return `MASTER_ENCRYPTION_KEY_${region.toUpperCase().replaceAll("-", "_")}_V${version}`;
  return version === 1 ? "MASTER_ENCRYPTION_KEY" : `MASTER_ENCRYPTION_KEY_V${version}`;
}

/** Whether a secret of the folder is named as a master key is. */
export function isMasterKeyName(name: string): boolean {
  return /^MASTER_ENCRYPTION_KEY(?:_.*)?$/.test(name);
}
