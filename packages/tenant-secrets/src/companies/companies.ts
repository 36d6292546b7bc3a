import { randomUUID } from "node:crypto";
import { and, asc, eq, isNull, sql } from "drizzle-orm";
import { DatabaseError, tables, type CompanyRow, type Statements } from "@repo/db";
import { z } from "zod";
import type { AuditAction, AuditLog } from "@repo/audit-log";
import {
  type Caller,
  type CompanyId,
  forbidden,
  notFound,
  type RequestOptions,
  SecretStoreName,
  Subdomain,
  TenantSecretsError,
  type Verb,
} from "@repo/catalog";
import { perform, refuse, type Attempt } from "../access/attempt.ts";
import { beginRequest, type ManagementRequest } from "../access/management-requests.ts";
import { entersCompany, permits, permitsOnPlatform } from "../access/permissions.ts";
import type { AuthenticRows, RowWriter } from "./authentic-rows.ts";
import { companyIdOf } from "./company-id.ts";
import type { CompanyRows } from "./company-rows.ts";

/** A company as the store of its secrets sees it. */
export interface Company {
  readonly id: CompanyId;
  readonly subdomain: string;
  readonly infisicalFolder: string;
  readonly secretStore: SecretStoreName;
  /** Which choice of a store this is: a write that comes after the next one is refused, and begins again under that. */
  readonly storeEpoch: number;
}

/**
 * One caller in one company that it may enter: resolved once for a call, or for a request with several calls, and passed on
 * from there.
 */
export interface CompanyScope {
  readonly caller: Caller;
  readonly company: Company;
}

export interface CompanyDescription {
  readonly id: string;
  readonly subdomain: string;
  readonly secretStore: SecretStoreName;
  readonly status: "active" | "suspended" | "deleted";
  /** For how many days a removed secret can be restored. */
  readonly recoveryDays: number;
  readonly createdAt: Date;
}

export interface NewCompany extends RequestOptions {
  readonly subdomain: string;
  /** Where its secrets live. */
  readonly secretStore: SecretStoreName;
}

export interface Companies {
  /**
   * Resolves the company that a subdomain names, for a caller that may enter it.
   *
   * @param request what the caller is about to do, for the event of a denial. A secret key that the catalogue does not have is
   *   left out of that event: it may be a value, sent in the wrong place
   * @throws {TenantSecretsError} NOT_FOUND, the same for an unknown company and a foreign one; RATE_LIMITED
   */
  resolve(request: Attempt, subdomain: string): Promise<CompanyScope>;
  /**
   * As `resolve`, synchronously, from the cache alone.
   *
   * @param now by `performance.now()`
   * @returns undefined where the cache has no answer, or the answer would be a denial
   */
  resolveCached(caller: Caller, subdomain: string, now: number): CompanyScope | undefined;
  /**
   * The same caller in the same company as the database has it now, whose store has changed since it was resolved. A company
   * that was renamed is still the same.
   *
   * @throws {TenantSecretsError} NOT_FOUND where the caller may not enter it any more
   */
  resolveAgain(scope: CompanyScope): Promise<CompanyScope>;
  /** @throws {TenantSecretsError} FORBIDDEN, INVALID_INPUT, CONFLICT when the subdomain is taken or was ever a folder */
  create(caller: Caller, company: NewCompany): Promise<CompanyDescription>;
  /** @throws {TenantSecretsError} FORBIDDEN */
  list(caller: Caller): Promise<readonly CompanyDescription[]>;
  /** Changes the subdomain; the id and the folder in Infisical stay. @throws as `create`, and NOT_FOUND */
  rename(
    caller: Caller,
    subdomain: string,
    newSubdomain: string,
    options?: RequestOptions,
  ): Promise<CompanyDescription>;
  /**
   * Sets for how many days its removed secrets can be restored, 7 to 90. What was removed before keeps the time that it got.
   *
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND, INVALID_INPUT
   */
  setRecovery(caller: Caller, subdomain: string, days: number): Promise<CompanyDescription>;
}

export function createCompanies(authentic: AuthenticRows, rows: CompanyRows, audit: AuditLog): Companies {
  const asOperator = async <T>(
    caller: Caller,
    action: AuditAction,
    work: (statements: Statements, writer: RowWriter) => Promise<T>,
  ): Promise<T> => {
    const attempt = { caller, action, changes: action !== "company.list" };
    if (!permitsOnPlatform(caller.actor, "companies"))
      return refuse(audit, attempt, forbidden("manage companies"));
    return perform(audit, attempt, () => authentic.change(work).catch(nameTaken));
  };

  /** As `asOperator`, of a change that a request makes once. */
  const changeOnce = (
    { caller, action, ...request }: ManagementRequest,
    work: (statements: Statements, writer: RowWriter) => Promise<CompanyDescription>,
  ): Promise<CompanyDescription> =>
    asOperator(caller, action, async (statements, writer) => {
      const { applied, keep } = await beginRequest(
        statements,
        { caller, action, ...request },
        ChangedCompany,
      );
      if (applied !== undefined) {
        const entry = { action, outcome: "allowed", companyId: applied.id, reason: "REPLAYED" } as const;
        await audit.addTo(statements, caller, entry);
        return applied;
      }
      const changed = await work(statements, writer);
      await keep(changed);
      return changed;
    });

  const change = (
    request: ManagementRequest,
    subdomain: string,
    to: () => CompanyChange,
  ): Promise<CompanyDescription> =>
    changeOnce(request, async (statements, writer) => {
      const { caller, action } = request;
      // What is no subdomain names no company, and can be a text that PostgreSQL does not take.
      if (!Subdomain.safeParse(subdomain).success) throw notFound();
      const [found] = await statements
        .select()
        .from(tables.companies)
        .where(and(eq(tables.companies.subdomain, subdomain), isNull(tables.companies.deletedAt)))
        .for("no key update");
      if (found === undefined) throw notFound();
      const row = await changeCompany({ statements, writer }, found, to());
      const entry = { action, outcome: "allowed", companyId: row.id, version: row.revision } as const;
      await audit.addTo(statements, caller, entry);
      return describe(row);
    });

  const find = ({ actor }: Caller, subdomain: string): Promise<CompanyRow | undefined> =>
    actor.kind === "job" || actor.kind === "operator"
      ? rows.find(subdomain)
      : rows.findFor(({ id }) => entersCompany(actor, id), subdomain);

  return {
    resolve: async (request, subdomain) => {
      const { caller } = request;
      const row = Subdomain.safeParse(subdomain).success ? await find(caller, subdomain) : undefined;
      const company = row && verified(caller, row);
      // Filed under the caller's own company, whose people must not read there whether the other one exists.
      return company === undefined ? refuse(audit, request, notFound()) : { caller, company };
    },

    resolveCached: (caller, subdomain, now) => {
      const row = rows.peek(subdomain, now);
      const company = row && verified(caller, row);
      return company && { caller, company };
    },

    resolveAgain: async ({ caller, company: { id } }) => {
      rows.forget(id);
      const row = await rows.findById(id);
      const company = row && verified(caller, row);
      if (company === undefined) throw notFound();
      return { caller, company };
    },

    create: (caller, { subdomain, secretStore, requestId }) => {
      const asked = { subdomain, secretStore };
      return changeOnce(
        { caller, action: "company.create", requestId, asked },
        async (statements, writer) => {
          checkSubdomain(subdomain);
          const company = {
            id: randomUUID(),
            subdomain,
            secretStore,
            infisicalFolder: subdomain,
            storeEpoch: 1,
            status: "active",
          } as const;
          const [row] = await statements
            .insert(tables.companies)
            .values({ ...company, ...(await writer.seal({ kind: "company", ...company })) })
            .onConflictDoNothing()
            .returning();
          if (row === undefined) throw subdomainTaken();
          await audit.addTo(statements, caller, {
            action: "company.create",
            outcome: "allowed",
            companyId: row.id,
            version: row.revision,
          });
          return describe(row);
        },
      );
    },

    list: async (caller) => {
      const all = await asOperator(caller, "company.list", (statements) =>
        statements.select().from(tables.companies).orderBy(asc(tables.companies.subdomain)),
      );
      await audit.add(caller, { action: "company.list", outcome: "allowed" });
      return all.map(describe);
    },

    rename: (caller, subdomain, newSubdomain, { requestId } = {}) => {
      const request = {
        caller,
        action: "company.rename",
        requestId,
        asked: { subdomain, newSubdomain },
      } as const;
      return change(request, subdomain, () => {
        checkSubdomain(newSubdomain);
        return { subdomain: newSubdomain };
      });
    },

    setRecovery: (caller, subdomain, days) => {
      const asked = { subdomain, days };
      const request = { caller, action: "company.set-recovery", requestId: undefined, asked } as const;
      return change(request, subdomain, () => {
        checkRecoveryDays(days);
        return { recoveryDays: days };
      });
    },
  };
}

/**
 * The company that a subdomain names, for a caller that may do something to it as a whole.
 *
 * @param to what that is called in a refusal
 * @throws {TenantSecretsError} as `resolve`, and FORBIDDEN
 */
export async function enterTo(
  companies: Companies,
  audit: AuditLog,
  attempt: Attempt,
  subdomain: string,
  { verb, to }: { readonly verb: Verb; readonly to: string },
): Promise<Company> {
  const { company } = await companies.resolve(attempt, subdomain);
  if (permits(attempt.caller.actor, verb, company.id)) return company;
  return refuse(audit, { ...attempt, companyId: company.id }, forbidden(to));
}

type StoredCompany = typeof tables.companies.$inferSelect;
type CompanyChange = Partial<
  Pick<StoredCompany, "subdomain" | "secretStore" | "storeEpoch" | "status" | "recoveryDays">
>;

/**
 * Changes a company's row, which is locked.
 *
 * @throws {TenantSecretsError} INTEGRITY_FAILURE where the row was not written by us
 */
export async function changeCompany(
  { statements, writer }: { readonly statements: Statements; readonly writer: RowWriter },
  found: StoredCompany,
  to: CompanyChange,
): Promise<StoredCompany> {
  writer.require({ kind: "company", ...found }, found);
  const beside = await writer.seal({ kind: "company", ...found, ...to });
  const [row] = await statements
    .update(tables.companies)
    .set({ ...to, ...beside, updatedAt: sql`now()` })
    .where(eq(tables.companies.id, found.id))
    .returning();
  if (row === undefined) throw new Error("a row that is locked is there");
  return row;
}

/** The company of a row that is active and that the caller may enter. */
function verified({ actor }: Caller, row: CompanyRow): Company | undefined {
  if (row.status !== "active" || !entersCompany(actor, row.id)) return undefined;
  const known = verifiedRows.get(row);
  if (known !== undefined) return known;
  const company: Company = {
    id: companyIdOf(row),
    subdomain: row.subdomain,
    infisicalFolder: row.infisicalFolder,
    secretStore: row.secretStore,
    storeEpoch: row.storeEpoch,
  };
  verifiedRows.set(row, company);
  return company;
}

/** A cached row is resolved again and again. */
const verifiedRows = new WeakMap<CompanyRow, Company>();

const ChangedCompany = z.object({
  id: z.string(),
  subdomain: z.string(),
  secretStore: SecretStoreName,
  status: z.enum(["active", "suspended", "deleted"]),
  recoveryDays: z.int(),
  createdAt: z.coerce.date(),
});

function describe(row: StoredCompany): CompanyDescription {
  const { id, subdomain, secretStore, status, recoveryDays, createdAt } = row;
  return { id, subdomain, secretStore, status, recoveryDays, createdAt };
}

function checkSubdomain(subdomain: string): void {
  if (Subdomain.safeParse(subdomain).success) return;
  throw new TenantSecretsError(
    "INVALID_INPUT",
    "A subdomain has 1 to 63 lower-case letters, digits or hyphens, and neither begins nor ends with a hyphen.",
  );
}

function checkRecoveryDays(days: number): void {
  if (Number.isInteger(days) && days >= 7 && days <= 90) return;
  throw new TenantSecretsError(
    "INVALID_INPUT",
    "A removed secret can be restored for a whole number of days, 7 to 90.",
  );
}

function subdomainTaken(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "That subdomain is taken, or names a folder that belonged to a company before: choose another.",
  );
}

function nameTaken(error: unknown): never {
  const taken = error instanceof DatabaseError && error.constraint === "companies_subdomain_key";
  throw taken ? subdomainTaken() : error;
}
