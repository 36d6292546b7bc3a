/** The folder of the master keys in Infisical. */
export const masterKeyFolder = "/hono-api";

/** The name of a master key in Infisical. "default" stands for the strategy's own name, MASTER_ENCRYPTION_KEY. */
export function masterKeyName(region: string, version: number): string {
  if (region !== "default")
    return `MASTER_ENCRYPTION_KEY_${region.toUpperCase().replaceAll("-", "_")}_V${version}`;
  return version === 1 ? "MASTER_ENCRYPTION_KEY" : `MASTER_ENCRYPTION_KEY_V${version}`;
}

/** Whether a secret of the folder has a master key's name. */
export function isMasterKeyName(name: string): boolean {
  return /^MASTER_ENCRYPTION_KEY(?:_.*)?$/.test(name);
}
