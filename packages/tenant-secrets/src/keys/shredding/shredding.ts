import { setTimeout as sleep } from "node:timers/promises";
import { and, asc, count, eq, gt, inArray, isNull, or, sql } from "drizzle-orm";
import { type Across, tables, type Database, type Statements } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import type { SigningKey } from "@repo/audit-log";
import { type Caller, notFound, Subdomain, TenantSecretsError } from "@repo/catalog";
import {
  audited,
  type Audited,
  type EventDetails,
  type Operations,
  type Steps,
  type Transaction,
} from "../../access/operation.ts";
import type { ApprovalGate } from "../../companies/approval-gate.ts";
import { revocationOf, revokeApiKeys } from "../../companies/api-key-rows.ts";
import { changeCompanyRow, requireHome } from "../../companies/companies.ts";
import { companyKeysTtlMs, type CompanyKeys } from "../company/company-keys.ts";
import { lockCompany } from "../../companies/company-lock.ts";
import { endMirror } from "../../companies/company-mirror.ts";
import { destroy } from "./destroy.ts";
import { mapInfisicalErrors } from "../on-infisical.ts";
import { goneAfterSeconds } from "../rotation/process-registry.ts";
import { signingKeyVersionOf, type SignedReceipt, verifySigned } from "../../runs/signed-receipt.ts";
import { ShreddingReceipt, signShredding } from "./receipt.ts";

const { apiKeys, companies, companyRegions, masterKeys, outsideWrites, processes, regionCopies, shreddings } =
  tables;

export interface ShredOptions {
  /** The retention of database backups, in days: until then they contain the wraps. */
  readonly backupsKeptDays: number;
  /** Also deletes the company's folder in Infisical: permanently, except for Infisical's own history. */
  readonly withInfisicalFolder?: boolean | undefined;
}

/** A shredding whose approval was given before, as a part of something else. */
export interface ApprovedShredding extends ShredOptions {
  readonly shreddedBy: string;
  /** Runs first in the transaction that destroys. */
  readonly hold: (transaction: Transaction) => Promise<void>;
  /**
   * Runs before anything is destroyed, and not again once it is.
   *
   * @returns the id of the operator who approved; undefined where one acts alone
   */
  readonly confirm: (transaction: Transaction) => Promise<string | undefined>;
}

export interface Shredding {
  /**
   * Destroys a company's keys, and with them every value, fingerprint and last four characters in the database. Irreversible.
   * Idempotent: repeated, it returns the same receipt, and only deletes a remaining folder in Infisical if that is requested
   * now.
   *
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND, INVALID_INPUT; APPROVAL_REQUIRED; NOT_SUPPORTED if the values are in Infisical and its
   *   folder is not to be deleted; STORE_UNAVAILABLE if the folder may remain although the keys are destroyed: repeat
   */
  shred(caller: Caller, subdomain: string, options: ShredOptions): Promise<SignedReceipt>;
  /** As `shred`, for a job. @throws as `shred`, and what `hold` and `confirm` throw */
  shredApproved(steps: Steps, companyId: string, approved: ApprovedShredding): Promise<SignedReceipt>;
  /** Checks what `shred` needs of a company, and locks it. @throws as `shred` */
  lock(transaction: Transaction, subdomain: string, options: ShredOptions): Promise<CompanyRow>;
  /** The receipt of a shredded company. @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND */
  receipt(caller: Caller, subdomain: string): Promise<SignedReceipt>;
  /**
   * The public key that verifies receipts, as PEM.
   *
   * @param receipt the text of a receipt of any kind, for the key that it names. Left out: the current one
   * @throws {TenantSecretsError} FORBIDDEN; for a receipt INTEGRITY_FAILURE, KEY_UNAVAILABLE
   */
  publicKey(caller: Caller, receipt?: string): Promise<string>;
}

interface Dependencies {
  readonly database: Database;
  readonly operations: Operations;
  readonly gate: ApprovalGate;
  readonly infisical: InfisicalClient;
  readonly companyKeys: CompanyKeys;
  readonly loadSigningKey: (keyVersion?: number) => Promise<SigningKey>;
  readonly ownRegion: string;
}

type CompanyRow = typeof companies.$inferSelect;

const toManage = { verb: "rotate", to: "manage keys" } as const;

export function createShredding(dependencies: Dependencies): Shredding {
  const { database, operations, gate, infisical, loadSigningKey, ownRegion } = dependencies;
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

  /** Deletes the folder, and updates the receipt. Does nothing if that was done before. */
  const deleteFolder = async (
    steps: Steps,
    company: CompanyRow,
    stored: SignedReceipt,
  ): Promise<SignedReceipt> => {
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
  };

  const lockShredded = async (
    { statements, writer }: Transaction,
    seen: CompanyRow,
    { withInfisicalFolder = false }: ShredOptions,
  ): Promise<LockedCompany> => {
    await lockCompany(statements, seen.id);
    const [company] = await statements
      .select()
      .from(companies)
      .where(eq(companies.id, seen.id))
      .for("update");
    if (company === undefined) throw notFound();
    // Found by its subdomain, which decides whose keys are destroyed: verify the row.
    writer.require({ kind: "company", ...company }, company);
    requireHome(company, ownRegion);
    const earlier = await findReceipt(statements, company.id);
    if (earlier === undefined && company.secretStore === "infisical" && !withInfisicalFolder) {
      throw new TenantSecretsError(
        "NOT_SUPPORTED",
        "This company's values live in Infisical, under no key of ours that could be destroyed: its folder can be deleted with them, which has to be asked for (--with-infisical-folder).",
      );
    }
    return { company, earlier };
  };

  /** Destroys the keys, or returns the receipt of the earlier shredding. */
  const destroyKeys = async (
    transaction: Transaction,
    { company, earlier }: LockedCompany,
    { backupsKeptDays, withInfisicalFolder = false, ...facts }: ShredOptions & ShredFacts,
  ): Promise<Audited<Shredded>> => {
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
  };

  return {
    shred: (caller, subdomain, options) =>
      operations.inSteps({ caller, action: "key.shred", ...toManage }, async (steps) => {
        checkBackupsKept(options.backupsKeptDays);
        const seen = await across((statements) => findCompany(statements, subdomain));
        if (seen === undefined) throw notFound();
        const facts = {
          shreddedBy: `${caller.actor.kind} ${caller.actor.id}`,
          secrets: await countOutside(infisical, `/tenants/${seen.infisicalFolder}`),
          // Loaded before the transaction, which would otherwise wait for it.
          signingKey: await loadSigningKey(),
        };
        const check = (transaction: Transaction) => lockShredded(transaction, seen, options);
        const act = (transaction: Transaction, locked: LockedCompany, approvedBy?: string) =>
          destroyKeys(transaction, locked, { ...options, ...facts, approvedBy });
        const { backupsKeptDays, withInfisicalFolder = false } = options;
        const earlier = await across((statements) => findReceipt(statements, seen.id));
        const { company, signed } =
          earlier !== undefined && !withInfisicalFolder
            ? // The receipt alone, once more: nothing is destroyed.
              await steps.commit(async (transaction) => act(transaction, await check(transaction)))
            : await gate.commit(steps, {
                caller,
                action: "key.shred",
                parameters: { company: seen.id, subdomain, backupsKeptDays, withInfisicalFolder },
                companyId: seen.id,
                mayFinish: true,
                check,
                act,
              });
        dependencies.companyKeys.invalidate(company.id);
        return withInfisicalFolder ? deleteFolder(steps, company, signed) : signed;
      }),

    shredApproved: async (steps, companyId, { hold, confirm, shreddedBy, ...options }) => {
      const [seen] = await across((statements) =>
        statements.select().from(companies).where(eq(companies.id, companyId)),
      );
      if (seen === undefined) throw notFound();
      const secrets = await countOutside(infisical, `/tenants/${seen.infisicalFolder}`);
      const signingKey = await loadSigningKey();
      const { company, signed } = await steps.commit(async (transaction) => {
        await hold(transaction);
        const locked = await lockShredded(transaction, seen, options);
        const approvedBy = locked.earlier === undefined ? await confirm(transaction) : undefined;
        return destroyKeys(transaction, locked, { ...options, shreddedBy, secrets, signingKey, approvedBy });
      });
      dependencies.companyKeys.invalidate(company.id);
      return options.withInfisicalFolder === true ? deleteFolder(steps, company, signed) : signed;
    },

    lock: async (transaction, subdomain, options) => {
      checkBackupsKept(options.backupsKeptDays);
      const seen = await findCompany(transaction.statements, subdomain);
      if (seen === undefined) throw notFound();
      return (await lockShredded(transaction, seen, options)).company;
    },

    receipt: (caller, subdomain) =>
      operations.read({ caller, action: "key.shred-receipt", ...toManage }, () =>
        across(async (statements) => {
          const company = await findCompany(statements, subdomain);
          const signed = company && (await findReceipt(statements, company.id));
          if (signed === undefined) throw notFound();
          return audited(signed, { companyId: company?.id });
        }),
      ),

    publicKey: (caller, receipt) => {
      const action = receipt === undefined ? "key.public-key" : "key.verify-report";
      return operations.read({ caller, action, ...toManage }, async () => {
        const { publicKey } = await loadSigningKey(
          receipt === undefined ? undefined : signingKeyVersionOf(receipt),
        );
        return audited(publicKey, {});
      });
    },
  };
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

interface LockedCompany {
  readonly company: CompanyRow;
  /** The receipt, if its keys are destroyed. */
  readonly earlier: SignedReceipt | undefined;
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

function checkBackupsKept(days: number): void {
  if (Number.isSafeInteger(days) && days >= 0 && days <= 36_500) return;
  throw new TenantSecretsError("INVALID_INPUT", "Backups are kept for a whole number of days, 0 to 36500.");
}

/** @returns undefined where no company that is there has the name */
export async function findCompany(
  statements: Statements,
  subdomain: string,
): Promise<CompanyRow | undefined> {
  // An invalid subdomain names no company, and may be a text that PostgreSQL rejects.
  if (!Subdomain.safeParse(subdomain).success) return undefined;
  const [row] = await statements
    .select()
    .from(companies)
    .where(and(eq(companies.subdomain, subdomain), isNull(companies.deletedAt)));
  return row;
}

async function findReceipt(statements: Statements, companyId: string): Promise<SignedReceipt | undefined> {
  const [row] = await statements
    .select({ receipt: shreddings.receipt, signature: shreddings.signature })
    .from(shreddings)
    .where(eq(shreddings.companyId, companyId));
  return row;
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

function after(date: Date, ms: number): string {
  return new Date(date.getTime() + ms).toISOString();
}
