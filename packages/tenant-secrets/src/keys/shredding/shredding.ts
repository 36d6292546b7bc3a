import { eq } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import type { SigningKey } from "@repo/audit-log";
import { type ApprovalParameters, type Caller, notFound, TenantSecretsError } from "@repo/catalog";
import { audited, type Operations, type Steps, type Transaction } from "../../access/operation.ts";
import type { ApprovalGate } from "../../companies/approval-gate.ts";
import type { CompanyKeys } from "../company/company-keys.ts";
import { createCompanyFolder } from "./company-folder.ts";
import {
  findCompany,
  findReceipt,
  lockToShred,
  type CompanyRow,
  type LockedCompany,
} from "./company-to-shred.ts";
import { signingKeyVersionOf, type SignedReceipt } from "../../runs/signed-receipt.ts";
import { shredCompany, type ShredOptions } from "./shred-company.ts";

const { companies } = tables;

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

const toManage = { verb: "rotate", to: "manage keys" } as const;

export function createShredding(dependencies: Dependencies): Shredding {
  const { database, operations, gate, loadSigningKey, ownRegion } = dependencies;
  const across = database.acrossCompanies;
  const folder = createCompanyFolder(dependencies);

  return {
    shred: (caller, subdomain, options) =>
      operations.inSteps({ caller, action: "key.shred", ...toManage }, async (steps) => {
        checkBackupsKept(options.backupsKeptDays);
        const seen = await across((statements) => findCompany(statements, subdomain));
        if (seen === undefined) throw notFound();
        const facts = {
          shreddedBy: `${caller.actor.kind} ${caller.actor.id}`,
          secrets: await folder.count(seen),
          // Loaded before the transaction, which would otherwise wait for it.
          signingKey: await loadSigningKey(),
        };
        const check = (transaction: Transaction) => lockToShred(transaction, seen, { ...options, ownRegion });
        const act = (transaction: Transaction, locked: LockedCompany, approvedBy?: string) =>
          shredCompany(transaction, locked, { ...options, ...facts, approvedBy });
        const { withInfisicalFolder = false } = options;
        const earlier = await across((statements) => findReceipt(statements, seen.id));
        const { company, signed } =
          earlier !== undefined && !withInfisicalFolder
            ? // The receipt alone, once more: nothing is destroyed.
              await steps.commit(async (transaction) => act(transaction, await check(transaction)))
            : await gate.commit(steps, {
                caller,
                action: "key.shred",
                parameters: shredParameters(seen.id, { ...options, subdomain }),
                companyId: seen.id,
                mayFinish: true,
                check,
                act,
              });
        dependencies.companyKeys.invalidate(company.id);
        return withInfisicalFolder ? folder.delete(steps, company, signed) : signed;
      }),

    shredApproved: async (steps, companyId, { hold, confirm, shreddedBy, ...options }) => {
      const [seen] = await across((statements) =>
        statements.select().from(companies).where(eq(companies.id, companyId)),
      );
      if (seen === undefined) throw notFound();
      const secrets = await folder.count(seen);
      const signingKey = await loadSigningKey();
      const { company, signed } = await steps.commit(async (transaction) => {
        await hold(transaction);
        const locked = await lockToShred(transaction, seen, { ...options, ownRegion });
        const approvedBy = locked.earlier === undefined ? await confirm(transaction) : undefined;
        return shredCompany(transaction, locked, { ...options, shreddedBy, secrets, signingKey, approvedBy });
      });
      dependencies.companyKeys.invalidate(company.id);
      return options.withInfisicalFolder === true ? folder.delete(steps, company, signed) : signed;
    },

    lock: async (transaction, subdomain, options) => {
      checkBackupsKept(options.backupsKeptDays);
      const seen = await findCompany(transaction.statements, subdomain);
      if (seen === undefined) throw notFound();
      return (await lockToShred(transaction, seen, { ...options, ownRegion })).company;
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

/** What an approval is about, word for word. @param asked `afterDays`: left out where it is destroyed at once */
export function shredParameters(
  company: string,
  asked: ShredOptions & { readonly subdomain: string; readonly afterDays?: number },
): ApprovalParameters {
  const { subdomain, afterDays, backupsKeptDays, withInfisicalFolder = false } = asked;
  return {
    company,
    subdomain,
    backupsKeptDays,
    withInfisicalFolder,
    ...(afterDays !== undefined && { afterDays }),
  };
}

function checkBackupsKept(days: number): void {
  if (Number.isSafeInteger(days) && days >= 0 && days <= 36_500) return;
  throw new TenantSecretsError("INVALID_INPUT", "Backups are kept for a whole number of days, 0 to 36500.");
}
