import type { InfisicalClient } from "@repo/infisical";
import { TenantSecretsError } from "@repo/catalog";
import { masterKeyFolder, masterKeyName } from "./master-key-name.ts";

// Errors about an unusable master key, for operators. If the registry knows the version, values are encrypted under it: a new
// key in its place would decrypt none of them, and would hide the loss of the right one.

type Place = InfisicalClient["place"];

interface Known {
  readonly region: string;
  readonly version: number;
  readonly checkValue: string;
}

/** Identifies a key without revealing it. @returns the first 12 characters of a check value, as `keys status` shows */
export function fingerprintOf({ checkValue }: Pick<Known, "checkValue">): string {
  return checkValue.slice(0, 12);
}

/** The registry knows the version, and Infisical lacks it. */
export function knownKeyMissing(place: Place, known: Known): TenantSecretsError {
  return new TenantSecretsError(
    "MASTER_KEY_MISSING",
    `${nameOf(known)} is not in ${folderOf(place)}. ${expectationOf(known)} Where the settings are right and the key was deleted, put it back with "keys restore".`,
  );
}

/** The registry knows the version, and Infisical has something else. @param what such as "is another key" */
export function knownKeyWrong(
  code: "MASTER_KEY_WRONG" | "MASTER_KEY_MALFORMED",
  what: string,
  { place, known }: { readonly place: Place; readonly known: Known },
): TenantSecretsError {
  return new TenantSecretsError(
    code,
    `${nameOf(known)} in ${folderOf(place)} ${what}. ${expectationOf(known)} Where the settings are right, put the right one back.`,
  );
}

/** The registry is empty, and Infisical has no first key. @param others names of master keys that Infisical has */
export function firstKeyMissing(place: Place, region: string, others: readonly string[]): TenantSecretsError {
  const older =
    others.length === 0
      ? ""
      : ` There is ${others.join(", ")}, so the database may be another than it was: if it is, check its URL, and make no new key.`;
  return new TenantSecretsError(
    "MASTER_KEY_MISSING",
    `${masterKeyName(region, 1)} is not in ${folderOf(place)}, and this database has no master key yet.${older} For a new system put there what this prints: openssl rand -hex 32`,
  );
}

function nameOf({ region, version }: Known): string {
  return masterKeyName(region, version);
}

function folderOf({ environment, projectId }: Place): string {
  return `the folder ${masterKeyFolder} of the environment ${environment} of Infisical's project ${projectId}`;
}

function expectationOf(known: Known): string {
  return `This database was sealed with a key of the fingerprint ${fingerprintOf(known)} (version ${known.version}, region ${known.region}): make no new key. Check INFISICAL_ENVIRONMENT, INFISICAL_PROJECT_ID and the database's URL.`;
}
