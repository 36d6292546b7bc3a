import { setTimeout as sleep } from "node:timers/promises";
import type { Database, Statements } from "@repo/db";
import type { AuditLog } from "@repo/audit-log";
import { TenantSecretsError } from "@repo/catalog";
import { type CompanyKey, integrityFailure } from "@repo/envelope";
import type { RaiseAlarm } from "../../access/alarms.ts";
import type { Company } from "../../companies/companies.ts";
import { ifDestroyed, withCurrentKeys, type CompanyKeys } from "../../keys/company/company-keys.ts";
import { enterCompany, StoreHeld } from "../../companies/company-lock.ts";

/** What the parts of the database store work with. */
export interface DatabaseParts {
  readonly database: Database;
  readonly companyKeys: CompanyKeys;
  readonly audit: AuditLog;
  /** Told of a head that another party has changed. */
  readonly onAlarm: RaiseAlarm;
}

/** A transaction that changes secrets of one company, with the keys of its heads' MACs. */
export interface SecretStatements extends Statements {
  /** The company's keys that are not destroyed, the active one first; undefined where all are, and no MAC can be checked. */
  readonly headKeys: HeadKeys | undefined;
}

export type HeadKeys = readonly [CompanyKey, ...CompanyKey[]];

/** How long a write waits at most while the company's store is being changed, in milliseconds. A change takes at most 8 s. */
const longestHoldMs = 10_000;

/** Runs work in one transaction. */
export type Transact<T> = (work: (statements: Statements) => Promise<T>) => Promise<T>;

export interface Entry<T> {
  readonly company: Company;
  /** The transaction, in the company's scope. Default: one of its own */
  readonly transact?: Transact<T> | undefined;
  /** The run that changes the company's store, of whose own write this is: it need not wait for itself. */
  readonly holder?: string | undefined;
  /** Whether to wait while the company's store is being changed. Default: true */
  readonly waits?: boolean | undefined;
  /** The company's keys that are not destroyed, the active one first, where the caller has loaded them. */
  readonly keys?: HeadKeys | undefined;
}

/**
 * A transaction that changes secrets of a company, in its scope, and can add its event to the audit log. `work` runs again
 * where the keys that it used were replaced meanwhile.
 *
 * @throws {StoreChanged} where the company has had another store since it was resolved
 * @throws {TenantSecretsError} STORE_UNAVAILABLE where the store is being changed for longer than a write waits;
 *   INTEGRITY_FAILURE, with an alarm, where another party has changed the head of a secret
 */
export async function inCompany<T>(
  parts: DatabaseParts,
  entry: Entry<T>,
  work: (statements: SecretStatements) => Promise<T>,
): Promise<T> {
  const { companyKeys, onAlarm } = parts;
  const { company, keys } = entry;
  const attempt = (headKeys: SecretStatements["headKeys"]): Promise<T> =>
    inEnteredCompany(parts, entry, (statements) => work(Object.assign(statements, { headKeys })));
  try {
    // A caller that brings the keys begins again with others by itself.
    if (keys !== undefined) return await attempt(keys);
    return await withCurrentKeys(async () =>
      attempt(await companyKeys.usable(company.id).catch(ifDestroyed)),
    );
  } catch (error) {
    if (error instanceof HeadChanged) onAlarm(error.alarm(company.id));
    throw error;
  }
}

/** As {@link inCompany}, of what locks no head of a secret: no key is loaded for it. @throws as it does */
export async function inEnteredCompany<T>(
  { database, audit }: DatabaseParts,
  { company, transact, holder, waits = true }: Entry<T>,
  work: (statements: Statements) => Promise<T>,
): Promise<T> {
  const inScope: Transact<T> = transact ?? ((inside) => database.inCompany(company.id, inside));
  const giveUpAt = performance.now() + (waits ? longestHoldMs : 0);
  for (;;) {
    await audit.ready();
    try {
      return await inScope(async (statements) => {
        await enterCompany(statements, company, holder);
        return work(statements);
      });
    } catch (error) {
      if (!(error instanceof StoreHeld) || performance.now() >= giveUpAt) throw error;
      // At random, so that those who wait do not come back together.
      await sleep(25 + 75 * Math.random());
    }
  }
}

/** The head of a secret is not as one of our processes wrote it. */
export class HeadChanged extends TenantSecretsError {
  readonly secretKey: string;

  constructor(secretKey: string) {
    const { code, message } = integrityFailure();
    super(code, message);
    this.secretKey = secretKey;
  }

  /** What an operator has to be told. */
  alarm(companyId: string): TenantSecretsError {
    return new TenantSecretsError(
      "INTEGRITY_FAILURE",
      `The head of ${this.secretKey} of company ${companyId}, which says what is current, was not written by this deployment, or was changed since: it is neither read nor written. Look for who writes to the database; \`audit verify\` names every such head.`,
    );
  }
}
