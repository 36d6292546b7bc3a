import { and, eq, isNotNull, isNull, lt, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import type { CompanyId, Finding } from "@repo/catalog";
import { enterCompany, lockCompany } from "../companies/company-lock.ts";
import { endMirror } from "../companies/company-mirror.ts";
import { genuineHead, headColumns } from "../stores/database/secret-head.ts";
import { purgeValues } from "../stores/database/removal.ts";
import type { Comparison } from "./comparison.ts";
import { compare, type CompanyOutcome, type CompanyWork, resultOf } from "./company-work.ts";
import { type LedgerEntry, selectLedger } from "./ledger.ts";
import { refuseOpenWrites, requireEpoch } from "./store-hold.ts";

const { companies, companySecrets, companyStores, folderEntries } = tables;

/** Removes the copy that the last change of a company's store has left behind. */
export async function cleanUpCompany(work: CompanyWork): Promise<CompanyOutcome> {
  const found = await compare(work);
  return work.company.secretStore === "infisical" ? purgeCopies(work, found) : removeFolder(work, found);
}

/**
 * Companies whose copy was left behind for so long: of the folder, by those on the database store; of the database, by those on
 * Infisical. The hybrid store needs both.
 */
export async function selectLeft(statements: Statements, afterDays: number): Promise<readonly string[]> {
  const rows = await statements
    .select({ id: companies.id })
    .from(companyStores)
    .innerJoin(companies, eq(companies.id, companyStores.companyId))
    .where(
      and(
        isNotNull(companyStores.leftIn),
        isNull(companyStores.cleanedAt),
        lt(companyStores.changedAt, sql`now() - make_interval(days => ${afterDays})`),
        sql`(${companyStores.leftIn} = 'database') = (${companies.secretStore} = 'infisical')`,
        sql`${companies.secretStore} <> 'hybrid'`,
        eq(companies.status, "active"),
      ),
    )
    .orderBy(companies.id);
  return rows.map(({ id }) => id);
}

/** What of the folder the database does not have, or has never had in this state. */
export function findingsOfCleanup(
  { secrets }: Comparison,
  ledger: ReadonlyMap<string, LedgerEntry>,
): readonly Finding[] {
  return secrets.flatMap(({ secretKey, folder, standing }): Finding[] => {
    if (folder === undefined) return [];
    const entry = ledger.get(secretKey);
    if (entry === undefined && standing !== "equal") return [{ code: "NOT_COPIED", secretKey }];
    const isChanged =
      entry !== undefined && (entry.outsideId !== folder.id || entry.outsideVersion !== folder.version);
    return isChanged && standing !== "equal" ? [{ code: "CHANGED_AFTERWARDS", secretKey }] : [];
  });
}

async function removeFolder(work: CompanyWork, found: Comparison): Promise<CompanyOutcome> {
  const { parts, folders, step, company } = work;
  const ledger = await step.commitIn(company.id, (statements) => selectLedger(statements, company.id));
  const findings = findingsOfCleanup(found, ledger);
  if (findings.length > 0) return { state: "blocked", result: resultOf(work, found, { findings }) };
  const event = { action: "migration.cleanup", companyId: company.id, subject: step.run.id } as const;
  await parts.audit.ready();
  await step.commit(async (statements) => {
    const events = await endMirror(statements, company.id);
    await parts.audit.recordInTransaction(statements, step.caller, events);
  });
  await step.commit(async (statements) => {
    // A write of the mirror that arrives afterwards would make the folder again.
    await refuseOpenWrites(statements, work);
    await parts.audit.recordInTransaction(statements, step.caller, { ...event, outcome: "attempted" });
  });
  await folders.remove(company);
  const left = await folders.read(company);
  if (left.size > 0) {
    const again: Finding[] = [...left.keys()].map((secretKey) => ({
      code: "CHANGED_AFTERWARDS",
      secretKey,
    }));
    return { state: "blocked", result: resultOf(work, found, { findings: again }) };
  }
  await step.commit(async (statements) => {
    await statements.delete(folderEntries).where(eq(folderEntries.companyId, company.id));
    await markCleaned(statements, company.id);
    await parts.audit.recordInTransaction(statements, step.caller, { ...event, outcome: "success" });
  });
  return { state: "done", result: resultOf(work, found, { moved: found.counts.inFolder }) };
}

/** Destroys the values that the database still has of a company that reads from Infisical again. */
async function purgeCopies(work: CompanyWork, found: Comparison): Promise<CompanyOutcome> {
  const { parts, step, company } = work;
  const keys = await parts.companyKeys.usable(company.id);
  await parts.audit.ready();
  const purged = await step.commitIn(company.id, async (statements) => {
    await enterCompany(statements, company, step.run.id);
    const rows = await statements
      .select(headColumns)
      .from(companySecrets)
      .where(and(eq(companySecrets.companyId, company.id), isNull(companySecrets.purgedAt)))
      .orderBy(companySecrets.secretKey)
      .for("update");
    const heads = rows.map((row) => genuineHead(keys, row)).filter(({ lastVersion }) => lastVersion > 0);
    for (const head of heads) await purgeValues(statements, head);
    const entry = { action: "secret.purge", outcome: "success", companyId: company.id } as const;
    if (heads.length > 0)
      await parts.audit.recordInTransaction(
        statements,
        step.caller,
        heads.map(({ secretKey, currentVersion }) => ({
          ...entry,
          secretKey,
          version: currentVersion ?? undefined,
        })),
      );
    await statements.delete(folderEntries).where(eq(folderEntries.companyId, company.id));
    return heads.length;
  });
  await step.commit(async (statements) => {
    await lockCompany(statements, company.id);
    await requireEpoch(statements, company);
    await markCleaned(statements, company.id);
    await parts.audit.recordInTransaction(statements, step.caller, {
      action: "migration.cleanup",
      outcome: "success",
      companyId: company.id,
      subject: step.run.id,
    });
  });
  return { state: "done", result: resultOf(work, found, { moved: purged }) };
}

async function markCleaned(statements: Statements, companyId: CompanyId): Promise<void> {
  await statements
    .update(companyStores)
    .set({ cleanedAt: sql`now()` })
    .where(eq(companyStores.companyId, companyId));
}
