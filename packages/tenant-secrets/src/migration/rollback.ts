import { eq } from "drizzle-orm";
import { tables } from "@repo/db";
import { type Finding, findingMeanings, type SecretStoreName, TenantSecretsError } from "@repo/catalog";
import { changeStore, type Direction } from "./change-store.ts";
import { blocks, type Comparison, findingsOfWriteBack } from "./comparison.ts";
import { compare, type CompanyOutcome, type CompanyWork, resultOf } from "./company-work.ts";
import { isNewerInDatabase, writeBack } from "./write-back.ts";

const { companyStores } = tables;

export interface RollbackOptions {
  readonly to: Exclude<SecretStoreName, "database">;
  /** Whether pending versions, grace windows, expiry dates and history may stay behind in the database. */
  readonly acceptLosses: boolean;
}

/** Takes a company back to the hybrid store, or to Infisical. */
export async function rollbackCompany(work: CompanyWork, options: RollbackOptions): Promise<CompanyOutcome> {
  const { secretStore } = work.company;
  if (secretStore === options.to) return { state: "done", result: resultOf(work, await compare(work)) };
  if (secretStore === "infisical")
    throw new TenantSecretsError("NOT_SUPPORTED", "This company reads from Infisical: switch it instead.");
  if (options.to === "hybrid") {
    await refuseCleaned(work);
    return changeStore(work, toHybrid);
  }
  return changeStore(work, outward(options));
}

/** What prevents a rollback to Infisical; everything that it would lose. */
export function findingsOfRollback(
  found: Comparison,
  { acceptLosses }: Pick<RollbackOptions, "acceptLosses">,
) {
  return found.secrets
    .flatMap(findingsOfWriteBack)
    .filter((finding) => blocks(finding) || (loses(finding) && !acceptLosses));
}

/** Nothing moves: the hybrid store serves what the database has, as before. */
const toHybrid: Direction = {
  to: "hybrid",
  findings: () => [],
  isOpen: () => false,
  bring: () => Promise.resolve(0),
};

function outward(options: RollbackOptions): Direction {
  return {
    to: "infisical",
    findings: (found) => findingsOfRollback(found, options),
    isOpen: isNewerInDatabase,
    bring: writeBack,
  };
}

function loses({ code }: Finding): boolean {
  return findingMeanings[code].severity === "loses";
}

/** @throws {TenantSecretsError} NOT_SUPPORTED if the folder was removed, so that there is nothing to be hybrid with */
async function refuseCleaned({ step, company }: CompanyWork): Promise<void> {
  const [row] = await step.commit((statements) =>
    statements
      .select({ cleanedAt: companyStores.cleanedAt })
      .from(companyStores)
      .where(eq(companyStores.companyId, company.id)),
  );
  if (row?.cleanedAt == null) return;
  throw new TenantSecretsError(
    "NOT_SUPPORTED",
    `The folder of this company was removed at ${row.cleanedAt.toISOString()}: it can be rolled back to Infisical, which makes the folder again, and not to the hybrid store.`,
  );
}
