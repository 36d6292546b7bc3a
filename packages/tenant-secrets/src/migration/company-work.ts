import type { Database } from "@repo/db";
import type { AuditLog, SigningKey } from "@repo/audit-log";
import {
  type Catalog,
  type CompanyMigrationResult,
  type Finding,
  maxFindings,
  type SecretStoreName,
} from "@repo/catalog";
import type { AuthenticRows } from "../access/authentic-rows.ts";
import type { Company, CompanyScope } from "../companies/companies.ts";
import type { CompanyKeys } from "../keys/company/company-keys.ts";
import type { RunStep } from "../runs/definition.ts";
import type { DatabaseStore } from "../stores/database/port.ts";
import type { BulkFolders } from "./bulk-folders.ts";
import { compareSides, type Comparison } from "./comparison.ts";
import { readDatabaseSide } from "./database-side.ts";
import type { FolderTree } from "./folder-tree.ts";

/** What a migration needs of the rest of the product. */
export interface MigrationParts {
  readonly database: Database;
  readonly companyKeys: CompanyKeys;
  readonly audit: AuditLog;
  readonly authentic: Pick<AuthenticRows, "change">;
  readonly catalog: Catalog;
  readonly databaseStore: Pick<DatabaseStore, "backfillMany">;
  readonly loadSigningKey: () => Promise<SigningKey>;
  /** Drops what this process has cached of a company's row and its secrets. */
  readonly forget: (companyId: string) => void;
}

/** The step of a run that work on a company is part of. */
export type WorkStep = Pick<
  RunStep<unknown, object, string>,
  "run" | "caller" | "commit" | "commitIn" | "hold" | "signal"
>;

/** One company in one migration. */
export interface CompanyWork {
  readonly parts: MigrationParts;
  readonly folders: BulkFolders;
  readonly step: WorkStep;
  readonly company: Company;
  readonly takeNewest: boolean;
  /** Undefined where nothing is to be said of the folder itself. */
  readonly tree: FolderTree | undefined;
  /** Before a second look at what surprises, in milliseconds. Undefined: each look has a default of its own. */
  readonly againMs: number | undefined;
}

/** What became of a company. A blocked one is as it was before, and its findings say why. */
export interface CompanyOutcome {
  readonly state: "done" | "blocked";
  readonly result: CompanyMigrationResult;
}

/** What a comparison of a company needs. */
export interface ComparedCompany extends Pick<CompanyWork, "company" | "takeNewest" | "tree"> {
  readonly parts: Pick<MigrationParts, "database" | "companyKeys" | "catalog">;
  readonly folders: Pick<BulkFolders, "read">;
}

/** Reads both sides, and compares them. */
export async function compare({
  parts,
  folders,
  company,
  takeNewest,
  tree,
}: ComparedCompany): Promise<Comparison> {
  const folder = await folders.read(company);
  const database = await readDatabaseSide(parts, company);
  const options = { catalog: parts.catalog, store: company.secretStore, takeNewest };
  const found = compareSides({ folder, database }, options);
  return { ...found, findings: [...(tree?.findingsOf(company) ?? []), ...found.findings] };
}

export function scopeOf({ company, step }: CompanyWork): CompanyScope {
  return { company, caller: step.caller };
}

interface Extra extends Partial<Pick<CompanyMigrationResult, "folderDigest" | "databaseDigest" | "heldMs">> {
  readonly moved?: number;
  readonly findings?: readonly Finding[];
  /** The store and epoch afterwards, if they changed. */
  readonly to?: SecretStoreName;
  readonly epochAfter?: number;
}

/** The result of a company, from its last comparison. */
export function resultOf(
  { company: { secretStore, storeEpoch } }: CompanyWork,
  { counts, findings }: Pick<Comparison, "counts" | "findings">,
  { moved = 0, findings: further = [], to = secretStore, epochAfter = storeEpoch, ...extra }: Extra = {},
): CompanyMigrationResult {
  const all = [...findings, ...further];
  const kept = all.slice(0, maxFindings);
  return {
    counts,
    moved,
    findings: kept,
    moreFindings: all.length - kept.length,
    from: secretStore,
    to,
    epochBefore: storeEpoch,
    epochAfter,
    ...extra,
  };
}
