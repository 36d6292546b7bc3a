import { setTimeout as sleep } from "node:timers/promises";
import { and, eq, gt, sql } from "drizzle-orm";
import type { SigningKey } from "@repo/audit-log";
import { TenantSecretsError } from "@repo/catalog";
import { type Across, tables, type Database, type Statements } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import { audited, type Steps } from "../../access/operation.ts";
import { mapInfisicalErrors } from "../on-infisical.ts";
import type { CompanyRow } from "./company-to-shred.ts";
import { signingKeyVersionOf, type SignedReceipt, verifySigned } from "../../runs/signed-receipt.ts";
import { ShreddingReceipt, signShredding } from "./receipt.ts";

const { outsideWrites, shreddings } = tables;

/** The folder of a company in Infisical, when its keys are destroyed. */
export interface CompanyFolder {
  /** The number of secrets in the folder and everything below it. @throws {TenantSecretsError} STORE_UNAVAILABLE */
  count(company: CompanyRow): Promise<number>;
  /**
   * Deletes the folder of a shredded company, and updates its receipt. Does nothing if that was done before.
   *
   * @throws {TenantSecretsError} STORE_UNAVAILABLE; CONFLICT if it was written to meanwhile; INTEGRITY_FAILURE for another
   *   company's receipt
   */
  delete(steps: Steps, company: CompanyRow, stored: SignedReceipt): Promise<SignedReceipt>;
}

interface Dependencies {
  readonly database: Pick<Database, "acrossCompanies">;
  readonly infisical: InfisicalClient;
  readonly loadSigningKey: (keyVersion?: number) => Promise<SigningKey>;
}

export function createCompanyFolder({ database, infisical, loadSigningKey }: Dependencies): CompanyFolder {
  const across = database.acrossCompanies;

  /** The content of a company's receipt, which names the folder to delete, and is signed again. */
  const readOwnReceipt = async (company: CompanyRow, stored: SignedReceipt): Promise<ShreddingReceipt> => {
    const text = JSON.stringify(stored);
    const { publicKey } = await loadSigningKey(signingKeyVersionOf(text));
    const content = verifySigned(ShreddingReceipt, text, publicKey);
    if (content.company.id === company.id) return content;
    throw new TenantSecretsError(
      "INTEGRITY_FAILURE",
      "The receipt that the database has of this company is another company's: its folder is not deleted.",
    );
  };

  return {
    count: (company) => countOutside(infisical, `/tenants/${company.infisicalFolder}`),

    delete: async (steps, company, stored) => {
      const { format: _, completeBy: __, remains: ___, ...facts } = await readOwnReceipt(company, stored);
      const path = facts.infisical.folder;
      await across((statements) => abandonOutsideWrites(statements, company.id));
      await waitForOutsideWrites(across, company.id);
      const found = await countOutside(infisical, path);
      if (found === 0 && (facts.infisical.secrets === 0 || facts.infisical.deletedAt !== null)) return stored;
      const event = { action: "key.shred-folder", companyId: company.id } as const;
      await steps.record({ ...event, outcome: "attempted" });
      await askInfisical(() => infisical.deleteFolder(path));
      if ((await countOutside(infisical, path)) > 0) {
        throw new TenantSecretsError(
          "CONFLICT",
          `The keys are destroyed, but ${path} was written to while it was deleted. Shred the company again.`,
        );
      }
      const secrets =
        facts.infisical.deletedAt === null
          ? Math.max(found, facts.infisical.secrets)
          : facts.infisical.secrets + found;
      const deletedAt = new Date().toISOString();
      const signed = signShredding(
        { ...facts, infisical: { folder: path, secrets, deletedAt } },
        await loadSigningKey(),
      );
      return steps.commit(async ({ statements }) => {
        await statements.update(shreddings).set(signed).where(eq(shreddings.companyId, company.id));
        return audited(signed, event);
      });
    },
  };
}

/** Cancels writes to the folder that are in flight: their callers get an error. */
async function abandonOutsideWrites(statements: Statements, companyId: string): Promise<void> {
  await statements
    .update(outsideWrites)
    .set({ state: "abandoned" })
    .where(eq(outsideWrites.companyId, companyId));
}

/** Waits until no such write can reach Infisical: none is admitted any more, and each has a deadline. */
async function waitForOutsideWrites(across: Across, companyId: string): Promise<void> {
  const inFlight = and(
    eq(outsideWrites.companyId, companyId),
    gt(outsideWrites.deadlineAt, sql`clock_timestamp()`),
  );
  const isOut = async (statements: Statements) =>
    (await statements.select({ id: outsideWrites.id }).from(outsideWrites).where(inFlight).limit(1)).length >
    0;
  while (await across(isOut)) await sleep(100);
}

/** The number of secrets in a folder and everything below it; 0 if it is missing. */
async function countOutside(infisical: InfisicalClient, path: string): Promise<number> {
  const here = await askInfisical(() => infisical.listSecretSummaries(path));
  const folders = await askInfisical(() => infisical.listFolders(path));
  let total = here.length;
  for (const { name } of folders) total += await countOutside(infisical, `${path}/${name}`);
  return total;
}

function askInfisical<T>(work: () => Promise<T>): Promise<T> {
  return mapInfisicalErrors(
    work,
    "STORE_UNAVAILABLE",
    () =>
      "Infisical, which may have values of this company, did not answer as expected. Shred the company again in a moment.",
  );
}
