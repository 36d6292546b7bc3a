import { and, asc, count, eq, gt, inArray, isNull, or, sql } from "drizzle-orm";
import type { SigningKey } from "@repo/audit-log";
import { tables, type Statements } from "@repo/db";
import { audited, type Audited, type EventDetails, type Transaction } from "../../access/operation.ts";
import { revocationOf, revokeApiKeys } from "../../companies/api-key-rows.ts";
import { changeCompanyRow } from "../../companies/change-company.ts";
import { endMirror } from "../../companies/company-mirror.ts";
import { companyKeysTtlMs } from "../company/opened-keys.ts";
import { goneAfterSeconds } from "../rotation/process-registry.ts";
import type { CompanyRow, LockedCompany } from "./company-to-shred.ts";
import { destroy } from "./destroy.ts";
import type { SignedReceipt } from "../../runs/signed-receipt.ts";
import { type ShreddingReceipt, signShredding } from "./receipt.ts";

const { apiKeys, companyRegions, masterKeys, processes, regionCopies, shreddings } = tables;

export interface ShredOptions {
  /** The retention of database backups, in days: until then they contain the wraps. */
  readonly backupsKeptDays: number;
  /** Also deletes the company's folder in Infisical: permanently, except for Infisical's own history. */
  readonly withInfisicalFolder?: boolean | undefined;
}

interface Shredded {
  readonly company: CompanyRow;
  readonly signed: SignedReceipt;
}

/** The facts of a receipt that are gathered before the transaction. */
interface ShredFacts {
  readonly shreddedBy: string;
  /** The id of an operator. */
  readonly approvedBy: string | undefined;
  /** The number of the company's secrets in Infisical. */
  readonly secrets: number;
  readonly signingKey: SigningKey;
}

/** Destroys the keys, or returns the receipt of the earlier shredding. */
export async function shredCompany(
  transaction: Transaction,
  { company, earlier }: LockedCompany,
  { backupsKeptDays, withInfisicalFolder = false, ...facts }: ShredOptions & ShredFacts,
): Promise<Audited<Shredded>> {
  const { statements, writer } = transaction;
  const companyId = company.id;
  const events: EventDetails[] = [];
  if (withInfisicalFolder && company.secretStore !== "database") {
    // From here on, writes to Infisical are not admitted and writes to the database are refused.
    const { revision } = await changeCompanyRow(transaction, company, {
      secretStore: "database",
      storeEpoch: company.storeEpoch + 1,
    });
    // Each change of the row is audited with its revision, so that a restored older state is detected.
    events.push({ action: "company.set-store", companyId, version: revision });
  }
  if (earlier !== undefined) {
    return audited({ company, signed: earlier }, [...events, { action: "key.shred-receipt", companyId }]);
  }
  const ofCompany = and(eq(apiKeys.companyId, companyId), isNull(apiKeys.revokedAt));
  const revoked = await revokeApiKeys(transaction, ofCompany, Number.MAX_SAFE_INTEGER);
  events.push(...(await endMirror(statements, companyId)));
  const copies = await withdraw(transaction, companyId);
  for (const { region } of copies) {
    // A later revision than that of the row, which is gone.
    const { revision } = await writer.seal({ kind: "company-region", companyId, region });
    events.push({ action: "company.remove-region", companyId, subject: region, version: revision });
  }
  const destroyed = { ...(await destroy(statements, companyId)), apiKeys: revoked.length, copies };
  const shreddedAt = new Date();
  const receipt = signShredding(
    {
      company: { id: companyId, subdomain: company.subdomain },
      shreddedAt: shreddedAt.toISOString(),
      shreddedBy: facts.shreddedBy,
      approvedBy: facts.approvedBy === undefined ? null : `operator ${facts.approvedBy}`,
      destroyed,
      processes: {
        alive: await countAlive(statements),
        keysForgottenBy: after(shreddedAt, companyKeysTtlMs),
      },
      // The one of the row that is genuine.
      infisical: { folder: `/tenants/${company.infisicalFolder}`, secrets: facts.secrets, deletedAt: null },
      backups: {
        // A backup that started before this transaction's commit still contains it.
        madeBefore: after(shreddedAt, 60_000),
        keptDays: backupsKeptDays,
        expiredBy: after(shreddedAt, 60_000 + backupsKeptDays * 86_400_000),
        masterKeyVersions: await findMasterKeys(statements, companyId),
      },
    },
    facts.signingKey,
  );
  await statements.insert(shreddings).values({ companyId, shreddedAt, ...receipt });
  return audited({ company, signed: receipt }, [...events, ...revoked.map(revocationOf), { companyId }]);
}

/** Takes all regions from a company, and with them its copies. @returns how many copies each had */
async function withdraw(
  { statements }: Pick<Transaction, "statements">,
  companyId: string,
): Promise<ShreddingReceipt["destroyed"]["copies"]> {
  const counts = await statements
    .select({ region: companyRegions.region, count: count(regionCopies.name) })
    .from(companyRegions)
    .leftJoin(
      regionCopies,
      and(
        eq(regionCopies.companyId, companyRegions.companyId),
        eq(regionCopies.targetRegion, companyRegions.region),
      ),
    )
    .where(eq(companyRegions.companyId, companyId))
    .groupBy(companyRegions.region)
    .orderBy(asc(companyRegions.region));
  await statements.delete(companyRegions).where(eq(companyRegions.companyId, companyId));
  return counts;
}

async function countAlive(statements: Statements): Promise<number> {
  const [row] = await statements
    .select({ alive: count() })
    .from(processes)
    .where(gt(processes.seenAt, sql`now() - make_interval(secs => ${goneAfterSeconds})`));
  return row?.alive ?? 0;
}

/**
 * The master key versions under which a backup can contain a wrap of this company: those of its time that are not destroyed.
 */
function findMasterKeys(statements: Statements, companyId: string) {
  const madeAt = sql`(select min(created_at) from company_keys where company_id = ${companyId})`;
  return statements
    .select({ region: masterKeys.region, version: masterKeys.version })
    .from(masterKeys)
    .where(
      and(
        inArray(masterKeys.status, ["active", "retiring", "retired"]),
        or(isNull(masterKeys.retiredAt), sql`${masterKeys.retiredAt} >= ${madeAt}`),
        sql`${madeAt} is not null`,
      ),
    )
    .orderBy(asc(masterKeys.region), asc(masterKeys.version));
}

function after(date: Date, ms: number): string {
  return new Date(date.getTime() + ms).toISOString();
}
