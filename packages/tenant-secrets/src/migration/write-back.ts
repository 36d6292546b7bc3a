import type { Statements } from "@repo/db";
import type { Plaintext } from "@repo/envelope";
import type { ComparedSecret, Comparison } from "./comparison.ts";
import type { CompanyWork } from "./company-work.ts";
import { writeInFolder } from "./folder-write.ts";

/** Whether the folder has another value than the database, which is what counts. */
export function isNewerInDatabase({ standing }: Pick<ComparedSecret, "standing">): boolean {
  return (
    standing === "newer-in-database" || standing === "only-in-database" || standing === "removed-in-database"
  );
}

/**
 * Brings the folder of a company to what the database has, a secret at a time: its values, and its removals. A secret that is
 * written meanwhile is open again afterwards.
 *
 * @returns how many secrets of the folder changed
 * @throws {TenantSecretsError} INVALID_VALUE if Infisical refuses a value; STORE_UNAVAILABLE
 */
export async function writeBack(work: CompanyWork, { secrets }: Comparison): Promise<number> {
  const { parts, step, company, folders } = work;
  const { companyKeys, audit } = parts;
  const writer = {
    company,
    companyKeys,
    audit,
    folders,
    caller: step.caller,
    holder: step.run.id,
    commit: <T>(inside: (statements: Statements) => Promise<T>) => step.commitIn(company.id, inside),
  };
  const open = secrets.filter(isNewerInDatabase);
  for (const secret of open) {
    const plaintext = valueToWrite(secret);
    try {
      await writeInFolder(writer, { secretKey: secret.secretKey, plaintext });
    } finally {
      plaintext?.wipe();
    }
  }
  return open.length;
}

/** @returns what the folder is to have, which the caller wipes; undefined for a removal */
export function valueToWrite({ standing, database }: ComparedSecret): Plaintext | undefined {
  return standing === "removed-in-database" ? undefined : database?.open();
}
