import { TenantSecretsError } from "@repo/catalog";
import { sameBytes } from "@repo/envelope";
import type { BackupKey, BackupSignInSecret } from "./backup-file.ts";
import { isMasterKeyName, masterKeyName } from "../master/master-key-name.ts";
import { signInSecretName, signInSecretVersion } from "../sign-in-secret-name.ts";

interface KeyState<State extends string> {
  readonly region: string;
  readonly version: number;
  readonly state: State;
}

/**
 * `missing`: in the registry but not in the backup; `unknown`: in the backup but not in the registry; `destroyed`: destroyed in
 * the registry but still in the backup; `differs`: a different key.
 */
export type ComparedKey = KeyState<"matches" | "differs" | "missing" | "unknown" | "destroyed">;

/**
 * `present`: Infisical had the key; `missing`: in neither Infisical nor the backup; `unknown` and `destroyed` in the registry:
 * not restored.
 */
export type RestoredKey = KeyState<"restored" | "present" | "missing" | "unknown" | "destroyed">;

/** `left-out`: not restored, because Infisical has others, or no key of the backup is registered. */
export interface RestoredSignInSecret {
  readonly version: number;
  readonly state: "restored" | "present" | "left-out";
}

/** A key's name in Infisical. */
export function nameOf({ region, version }: Pick<BackupKey, "region" | "version">): string {
  return masterKeyName(region, version);
}

/** Leaves out destroyed keys that the backup lacks as well. */
export function compare(
  registry: readonly Pick<BackupKey, "region" | "version" | "status" | "checkValue">[],
  backup: readonly BackupKey[],
): readonly ComparedKey[] {
  const held = new Map(backup.filter(({ text }) => text !== null).map((key) => [nameOf(key), key]));
  const known = new Set(registry.map(nameOf));
  const states: ComparedKey[] = [];
  for (const row of registry) {
    const { region, version } = row;
    const key = held.get(nameOf(row));
    if (key === undefined && row.status === "destroyed") continue;
    if (key === undefined) states.push({ region, version, state: "missing" });
    else if (!sameBytes(key.checkValue, row.checkValue)) states.push({ region, version, state: "differs" });
    else states.push({ region, version, state: row.status === "destroyed" ? "destroyed" : "matches" });
  }
  for (const [name, { region, version }] of held) {
    if (!known.has(name)) states.push({ region, version, state: "unknown" });
  }
  return states;
}

/**
 * The names and texts that Infisical lacks. @throws {TenantSecretsError} CONFLICT, with the names that have another text in
 * Infisical
 */
export function lostKeys(
  compared: readonly ComparedKey[],
  backup: readonly BackupKey[],
  texts: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const wanted = new Set(compared.filter(({ state }) => state === "matches").map(nameOf));
  const lost = new Map<string, string>();
  const others: string[] = [];
  for (const key of backup) {
    const name = nameOf(key);
    if (key.text === null || !wanted.has(name)) continue;
    const there = texts.get(name);
    if (there === undefined) lost.set(name, key.text);
    else if (there !== key.text) others.push(name);
  }
  if (others.length === 0) return lost;
  throw new TenantSecretsError(
    "CONFLICT",
    `Infisical has another text than the backup under ${others.join(", ")}. Nothing was changed: move what is there to another name first.`,
  );
}

/** Those of Infisical, in the order of their versions. */
export function signInSecretsIn(texts: ReadonlyMap<string, string>): readonly BackupSignInSecret[] {
  return [...texts]
    .flatMap(([name, text]) => {
      const version = signInSecretVersion(name);
      return version === undefined ? [] : [{ version, text }];
    })
    .toSorted((a, b) => a.version - b.version);
}

/**
 * The names and texts of the sign-in that Infisical lacks: all of the backup, or none. Where Infisical has one of them, the others
 * may have been deleted on purpose.
 */
export function lostSignInSecrets(
  backup: readonly BackupSignInSecret[],
  texts: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  if (signInSecretsIn(texts).length > 0) return new Map();
  return new Map(backup.map(({ version, text }) => [signInSecretName(version), text]));
}

export function restoredSignInSecret(
  { version, text }: BackupSignInSecret,
  lost: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): RestoredSignInSecret {
  const name = signInSecretName(version);
  if (lost.has(name)) return { version, state: "restored" };
  return { version, state: after.get(name) === text ? "present" : "left-out" };
}

/** @throws {TenantSecretsError} CONFLICT if Infisical has master keys that a backup for an empty registry lacks */
export function refuseNewerKeys(texts: ReadonlyMap<string, string>, backup: readonly BackupKey[]): void {
  const known = new Set(backup.map(nameOf));
  const newer = [...texts.keys()].filter((name) => isMasterKeyName(name) && !known.has(name));
  if (newer.length === 0) return;
  throw new TenantSecretsError(
    "CONFLICT",
    `Infisical has keys that this backup does not know: ${newer.join(", ")}. Nothing was changed: take a newer backup.`,
  );
}

/** The result of a restore for each key. @param after the names and texts in Infisical at the end */
export function restoredKey(
  key: ComparedKey,
  lost: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): RestoredKey {
  const { state } = key;
  const name = nameOf(key);
  switch (state) {
    case "unknown":
    case "destroyed":
      return { ...key, state };
    case "matches":
      return { ...key, state: lost.has(name) ? "restored" : "present" };
    case "missing":
    case "differs":
      return { ...key, state: after.has(name) ? "present" : "missing" };
  }
}
