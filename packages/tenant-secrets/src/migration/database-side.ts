import { asc, eq } from "drizzle-orm";
import { type Database, tables } from "@repo/db";
import { undefinedIfCorrupt, type Plaintext } from "@repo/envelope";
import type { Company } from "../companies/companies.ts";
import { withCurrentKeys, type CompanyKeys } from "../keys/company/company-keys.ts";
import { encryptedSecret, type EncryptedSecret } from "../stores/encrypted-secret.ts";
import { genuineHead, headColumns, type HeadRow } from "../stores/database/secret-head.ts";

const { companySecrets } = tables;

/** A secret that the database knows: live, or a tombstone. */
export interface DatabaseSecret {
  readonly secretKey: string;
  readonly isLive: boolean;
  readonly origin: HeadRow["origin"];
  /** The current version; 0 for a tombstone of a secret that never had a value. */
  readonly version: number;
  readonly pendingVersion: number | undefined;
  readonly hasGraceWindow: boolean;
  readonly expires: boolean;
  /** @returns the value, which the caller wipes; undefined for a tombstone, and if it does not decrypt */
  open(): Plaintext | undefined;
}

/**
 * Reads all heads of a company, with their MACs checked.
 *
 * @returns by secret key
 * @throws {HeadChanged} if another party has changed one
 * @throws {TenantSecretsError} the errors of loading keys; KEY_DESTROYED of a shredded company
 */
export async function readDatabaseSide(
  { database, companyKeys }: { readonly database: Database; readonly companyKeys: CompanyKeys },
  { id: companyId }: Company,
): Promise<ReadonlyMap<string, DatabaseSecret>> {
  return withCurrentKeys(async () => {
    const heads = await database.inCompany(companyId, (statements) =>
      statements
        .select(headColumns)
        .from(companySecrets)
        .where(eq(companySecrets.companyId, companyId))
        .orderBy(asc(companySecrets.secretKey)),
    );
    // A company that has nothing here gets no key by being looked at.
    if (heads.length === 0) return new Map();
    const keys = await companyKeys.usable(companyId);
    const valueKeys = new Map(keys.map((key) => [key.keyVersion, key]));
    return new Map(
      heads.map((row) => {
        const head = genuineHead(keys, row);
        const encrypted = encryptedOf(head, valueKeys);
        const { secretKey, origin, pendingVersion, graceWindows, expiresAt, now } = head;
        const secret: DatabaseSecret = {
          secretKey,
          isLive: head.deletedAt === null && head.currentVersion !== null,
          origin,
          version: head.currentVersion ?? 0,
          pendingVersion: pendingVersion ?? undefined,
          hasGraceWindow: graceWindows.some(({ until }) => new Date(until) > now),
          expires: expiresAt !== null,
          open: () => encrypted && undefinedIfCorrupt(() => encrypted.decrypt()),
        };
        return [secretKey, secret];
      }),
    );
  });
}

/** @returns undefined without a value, or if its key does not decrypt */
function encryptedOf(
  head: HeadRow,
  valueKeys: ReadonlyMap<number, Parameters<typeof encryptedSecret>[0]>,
): EncryptedSecret | undefined {
  const { companyId, secretKey, currentVersion: version, companyKeyVersion, secretValueEncrypted } = head;
  if (
    head.deletedAt !== null ||
    version === null ||
    companyKeyVersion === null ||
    secretValueEncrypted === null
  )
    return undefined;
  const key = valueKeys.get(companyKeyVersion);
  const place = { companyId, secretKey, version, companyKeyVersion };
  return key && undefinedIfCorrupt(() => encryptedSecret(key, place, secretValueEncrypted));
}
