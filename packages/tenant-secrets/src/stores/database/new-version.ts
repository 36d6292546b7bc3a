import { tables, type Statements } from "@repo/db";
import type { CompanyId } from "@repo/catalog";
import { type CompanyKey, fingerprint, encryptValue } from "@repo/envelope";
import type { ActorColumns } from "../../access/request-ids.ts";
import { nextGraceWindows } from "./grace-windows.ts";
import { changeHeads, insertFirst, insertVersions, keepCurrentVersions } from "./many-heads.ts";
import { changeHead, destroyed, activeHead, ofVersion, type Head, type HeadChanges } from "./secret-head.ts";
import type { BatchWrite } from "../store.ts";

const { companySecretVersions } = tables;

/** What becomes a version: a value, the key that it is encrypted under, and who makes it. */
export interface NewVersion {
  readonly write: BatchWrite;
  readonly key: CompanyKey;
  readonly maker: ActorColumns;
  /** Where the value comes from. Default: written */
  readonly origin?: Head["origin"];
}

type Place = Pick<Head, "companyId" | "secretKey">;

/** A value, and the locked head of the secret that gets it. */
export interface Target {
  readonly head: Head;
  readonly made: NewVersion;
}

/**
 * Encrypts values as the next versions of their secrets, and makes those the current ones, in three statements. Waits for nothing
 * else.
 *
 * @returns the numbers of the versions, in the order of the targets
 */
export async function addCurrentVersions(
  statements: Statements,
  targets: readonly Target[],
): Promise<readonly number[]> {
  const changed = targets.map(({ head, made }) => ({ head, made, changes: asCurrent(head, made) }));
  const previous = await keepCurrentVersions(
    statements,
    changed.map(({ head }) => head),
  );
  await insertVersions(
    statements,
    changed.map(({ head, made, changes }) => ({
      ...describe(head, changes.currentVersion, made),
      previousVersionId: previous.get(head.secretKey) ?? null,
    })),
  );
  await changeHeads(statements, changed);
  return changed.map(({ changes }) => changes.currentVersion);
}

/**
 * Encrypts values as the first versions of those secrets that were never here, in one statement.
 *
 * @returns the secret keys of those
 */
export function addFirstVersions(
  statements: Statements,
  companyId: CompanyId,
  made: readonly NewVersion[],
): Promise<ReadonlySet<string>> {
  const heads = made.map((version) => {
    const { write, key, origin = "written" } = version;
    const place = { companyId, secretKey: write.secretKey };
    const { expiresAt } = write.options;
    return { ...place, origin, expiresAt, key, secretValueEncrypted: seal(place, 1, version), version };
  });
  return insertFirst(statements, heads, (head) => describe(head, 1, head.version));
}

/** What a value changes in the head whose current version it becomes. */
export function asCurrent(head: Head, made: NewVersion): HeadChanges & { readonly currentVersion: number } {
  const { write, key, origin = "written" } = made;
  const version = head.lastVersion + 1;
  return {
    graceWindows: nextGraceWindows(head, write.options),
    // A removed secret starts over.
    ...(head.deletedAt === null ? {} : { pendingVersion: null }),
    expiresAt: write.options.expiresAt ?? null,
    // The version number is authenticated with the value.
    secretValueEncrypted: seal(head, version, made),
    companyKeyVersion: key.keyVersion,
    currentVersion: version,
    lastVersion: version,
    origin,
    deletedAt: null,
    recoverUntil: null,
    purgedAt: null,
  };
}

/** As {@link addCurrentVersions}, of one value as the pending version. The version that is pending already is destroyed. */
export async function addPendingVersion(statements: Statements, { head, made }: Target): Promise<number> {
  if (head.pendingVersion !== null) {
    await statements.update(companySecretVersions).set(destroyed).where(ofVersion(head, head.pendingVersion));
  }
  const [current] = await statements
    .select({ id: companySecretVersions.id })
    .from(companySecretVersions)
    .where(ofVersion(head, activeHead(head).currentVersion));
  const version = head.lastVersion + 1;
  await statements.insert(companySecretVersions).values({
    ...describe(head, version, made),
    valueEncrypted: seal(head, version, made),
    companyKeyVersion: made.key.keyVersion,
    previousVersionId: current?.id ?? null,
  });
  await changeHead(statements, head, { pendingVersion: version, lastVersion: version });
  return version;
}

/** A value, encrypted for its place. */
export function seal({ companyId, secretKey }: Place, version: number, { key, write }: NewVersion): string {
  const place = { companyId, secretKey, version, companyKeyVersion: key.keyVersion };
  return encryptValue(key.valueKey, place, write.plaintext.bytes);
}

/** The row of a version without its value, which stands there only while the version is not current. */
export function describe(
  { companyId, secretKey }: Place,
  version: number,
  { key, write, maker }: NewVersion,
) {
  const { plaintext, lastFour, options } = write;
  return {
    companyId,
    secretKey,
    version,
    fingerprint: fingerprint(key, plaintext.bytes),
    lastFour: lastFour ?? null,
    note: options.note ?? null,
    expiresAt: options.expiresAt ?? null,
    ...(options.reminderDays && { reminderDays: [...options.reminderDays] }),
    ...maker,
  };
}
