import { tables, type Statements } from "@repo/db";
import { type CompanyKey, fingerprint, encryptValue } from "@repo/envelope";
import type { ActorColumns } from "../../access/request-ids.ts";
import { nextGraceWindows } from "./grace-windows.ts";
import {
  changeHead,
  destroyed,
  keepCurrentVersion,
  activeHead,
  ofVersion,
  type Head,
  type HeadChanges,
} from "./secret-head.ts";
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

/**
 * Encrypts a value as the next version, and makes that the current one. Waits for nothing but its statements.
 *
 * @returns the number of the version
 */
export async function addCurrentVersion(
  statements: Statements,
  head: Head,
  made: NewVersion,
): Promise<number> {
  const changes = asCurrent(head, made);
  if (head.deletedAt !== null && head.pendingVersion !== null) {
    await statements
      .update(companySecretVersions)
      .set({ replacedAt: head.now })
      .where(ofVersion(head, head.pendingVersion));
  }
  await statements.insert(companySecretVersions).values({
    ...describe(head, changes.currentVersion, made),
    previousVersionId: await keepCurrentVersion(statements, head),
  });
  await changeHead(statements, head, changes);
  return changes.currentVersion;
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

/** As {@link addCurrentVersion}, as the pending version. The version that is pending already is destroyed. */
export async function addPendingVersion(
  statements: Statements,
  head: Head,
  made: NewVersion,
): Promise<number> {
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
