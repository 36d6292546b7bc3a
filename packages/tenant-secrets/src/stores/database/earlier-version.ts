import { and, eq } from "drizzle-orm";
import { tables } from "@repo/db";
import { decryptValue, Plaintext } from "@repo/envelope";
import type { Company } from "../../companies/companies.ts";
import type { DatabaseParts } from "./transaction.ts";

const { companySecretVersions } = tables;

/**
 * The value of a version that is pending, or was replaced.
 *
 * @returns undefined where it is current, was destroyed, or does not exist
 * @throws {TenantSecretsError} KEY_DESTROYED, KEY_UNAVAILABLE, INTEGRITY_FAILURE, DATABASE_UNAVAILABLE
 */
export async function openOtherVersion(
  { database, companyKeys }: Pick<DatabaseParts, "database" | "companyKeys">,
  company: Company,
  { secretKey, version }: { readonly secretKey: string; readonly version: number },
): Promise<Plaintext | undefined> {
  const [row] = await database.inCompany(company.id, (statements) =>
    statements
      .select({
        encrypted: companySecretVersions.valueEncrypted,
        companyKeyVersion: companySecretVersions.companyKeyVersion,
      })
      .from(companySecretVersions)
      .where(
        and(
          eq(companySecretVersions.companyId, company.id),
          eq(companySecretVersions.secretKey, secretKey),
          eq(companySecretVersions.version, version),
        ),
      ),
  );
  if (row?.encrypted == null || row.companyKeyVersion === null) return undefined;
  const { encrypted, companyKeyVersion } = row;
  const { valueKey } = await companyKeys.forDecryption(company.id, companyKeyVersion);
  const place = { companyId: company.id, secretKey, version, companyKeyVersion };
  return new Plaintext(decryptValue(valueKey, place, encrypted));
}
