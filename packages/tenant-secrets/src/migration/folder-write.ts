import { randomUUID } from "node:crypto";
import { and, eq, lte, or, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import type { AuditEntry, AuditLog } from "@repo/audit-log";
import { type Caller, TenantSecretsError } from "@repo/catalog";
import { fingerprint, type Plaintext } from "@repo/envelope";
import type { Company } from "../companies/companies.ts";
import { enterCompany } from "../companies/company-lock.ts";
import type { CompanyKeys } from "../keys/company/company-keys.ts";
import type { BulkFolders } from "./bulk-folders.ts";
import { markBeingWritten } from "./ledger.ts";

const { outsideWrites } = tables;

/** Longer than a request of the bulk client with what it repeats, in seconds. */
const deadlineSeconds = 35;

/** Who brings the folder of a company to what the database has. */
export interface FolderWriter {
  readonly company: Company;
  readonly companyKeys: Pick<CompanyKeys, "forEncryption">;
  readonly audit: AuditLog;
  readonly folders: Pick<BulkFolders, "put" | "erase">;
  readonly caller: Caller;
  /** The same for all writers that replace each other: one at a time has the lease. */
  readonly holder: string;
  /** One transaction in the company's scope, while this writer has the lease. */
  readonly commit: <T>(work: (statements: Statements) => Promise<T>) => Promise<T>;
}

export interface FolderChange {
  readonly secretKey: string;
  /** The value; undefined to delete the secret in the folder. */
  readonly plaintext: Plaintext | undefined;
  /** Further events of the transaction that admits the change. */
  readonly events?: readonly AuditEntry[];
}

/**
 * Brings one secret of the folder to what the database has: the only way in which this is done. A secret that is written
 * in the database meanwhile differs again afterwards.
 *
 * @throws {StoreChanged} {@link StoreHeld}
 * @throws {TenantSecretsError} INVALID_VALUE if Infisical refuses the value; STORE_UNAVAILABLE; what `commit` throws
 */
export async function writeInFolder(writer: FolderWriter, change: FolderChange): Promise<void> {
  const { folders, company } = writer;
  const { secretKey, plaintext } = change;
  const id = await admit(writer, change);
  try {
    await (plaintext === undefined
      ? folders.erase(company, secretKey)
      : folders.put(company, secretKey, plaintext.reveal()));
  } catch (error) {
    const isKnown =
      error instanceof TenantSecretsError && (error.store === "unchanged" || error.code === "INVALID_VALUE");
    const reason = error instanceof TenantSecretsError ? error.code : undefined;
    const failed = { id, secretKey, outcome: "failed", reason } as const;
    await (isKnown ? end(writer, failed) : leaveOpen(writer, id)).catch(() => {});
    throw error instanceof TenantSecretsError && error.code === "INVALID_VALUE"
      ? refusedByInfisical(secretKey)
      : error;
  }
  await end(writer, { id, secretKey, outcome: "success" });
}

/** A row that says what is out, so that neither a write of ours nor a copy overtakes it. */
async function admit(
  { company, companyKeys, audit, caller, holder, commit }: FolderWriter,
  { secretKey, plaintext, events = [] }: FolderChange,
): Promise<string> {
  const key = plaintext && (await companyKeys.forEncryption(company.id));
  const id = randomUUID();
  await audit.ready();
  await commit(async (statements) => {
    await enterCompany(statements, company, holder);
    // One that a killed process of the same holder has left, or whose time is up, may still arrive: it is waited for before
    // the company reads from the folder.
    await statements
      .update(outsideWrites)
      .set({ state: "unknown" })
      .where(
        and(
          eq(outsideWrites.companyId, company.id),
          eq(outsideWrites.secretKey, secretKey),
          eq(outsideWrites.state, "in-flight"),
          or(eq(outsideWrites.holder, holder), lte(outsideWrites.deadlineAt, sql`clock_timestamp()`)),
        ),
      );
    const write = {
      id,
      companyId: company.id,
      storeEpoch: company.storeEpoch,
      secretKey,
      kind: plaintext === undefined ? "delete" : "put",
      isMirror: true,
      holder,
      valueMac: key && plaintext && fingerprint(key, plaintext.bytes),
      companyKeyVersion: key?.keyVersion,
      deadlineAt: sql`clock_timestamp() + make_interval(secs => ${deadlineSeconds})`,
    } as const;
    const admitted = await statements
      .insert(outsideWrites)
      .values(write)
      .onConflictDoNothing()
      .returning({ id: outsideWrites.id });
    if (admitted.length === 0) throw othersWrite(secretKey);
    await markBeingWritten(statements, company.id, secretKey);
    const attempted = {
      action: "secret.mirror",
      outcome: "attempted",
      companyId: company.id,
      secretKey,
    } as const;
    await audit.recordInTransaction(statements, caller, [...events, attempted]);
  });
  return id;
}

function refusedByInfisical(secretKey: string): TenantSecretsError {
  return new TenantSecretsError(
    "INVALID_VALUE",
    `Infisical refuses the value of ${secretKey}, as it does with a reference that leads nowhere. Replace the value, or remove the secret.`,
  );
}

function othersWrite(secretKey: string): TenantSecretsError {
  return new TenantSecretsError(
    "STORE_UNAVAILABLE",
    `Another change of ${secretKey} is in flight at Infisical.`,
    { store: "unchanged", retryAfterMs: 1000 },
  );
}

interface Ended extends Pick<AuditEntry, "outcome" | "reason"> {
  readonly id: string;
  readonly secretKey: string;
}

async function end({ company, audit, caller, commit }: FolderWriter, { id, ...entry }: Ended): Promise<void> {
  await audit.ready();
  await commit(async (statements) => {
    await statements.delete(outsideWrites).where(ofId(company.id, id));
    await audit.recordInTransaction(statements, caller, {
      action: "secret.mirror",
      companyId: company.id,
      ...entry,
    });
  });
}

/** The job that settles finds out, once the deadline has passed. */
async function leaveOpen({ company, commit }: FolderWriter, id: string): Promise<void> {
  await commit((statements) =>
    statements.update(outsideWrites).set({ state: "unknown" }).where(ofId(company.id, id)),
  );
}

function ofId(companyId: string, id: string) {
  return and(eq(outsideWrites.companyId, companyId), eq(outsideWrites.id, id));
}
