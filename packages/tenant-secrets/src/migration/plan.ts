import type { Finding } from "@repo/catalog";
import type { MigrationInput } from "./migration-input.ts";
import { findingsOfCleanup } from "./cleanup.ts";
import { blocks, type Comparison } from "./comparison.ts";
import { type CompanyOutcome, type CompanyWork, resultOf } from "./company-work.ts";
import { comparison } from "./copy.ts";
import { selectLedger } from "./ledger.ts";
import { findingsOfRollback } from "./rollback.ts";

/** Says what a migration would do with a company, and what prevents it. Changes nothing. */
export async function planCompany(
  work: CompanyWork,
  before: MigrationInput["before"],
): Promise<CompanyOutcome> {
  const found = await comparison(work);
  const imports = await work.folders.countImports(work.company);
  const further: readonly Finding[] = [
    ...(await furtherFindings(work, found, before)),
    ...(imports === undefined || imports === 0 ? [] : [{ code: "IMPORT", detail: String(imports) } as const]),
  ];
  const isBlocked = [...(before === "switch" || before === "copy" ? found.findings : []), ...further].some(
    blocks,
  );
  return { state: isBlocked ? "blocked" : "done", result: resultOf(work, found, { findings: further }) };
}

async function furtherFindings(
  { parts, company }: CompanyWork,
  found: Comparison,
  before: MigrationInput["before"],
): Promise<readonly Finding[]> {
  switch (before) {
    case "copy":
    case "switch":
      return [];
    case "rollback":
      return findingsOfRollback(found, { acceptLosses: false });
    case "cleanup":
      return findingsOfCleanup(
        found,
        await parts.database.inCompany(company.id, (statements) => selectLedger(statements, company.id)),
      );
  }
}
