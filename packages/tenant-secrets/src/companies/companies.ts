import { randomUUID } from "node:crypto";
import { and, eq } from "drizzle-orm";
import type { AuditAction } from "@repo/audit-log";
import { tables, type CompanyRow, type Statements } from "@repo/db";
import { z } from "zod";
import {
  type Caller,
  type CompanyDescription,
  type CompanyId,
  type CompanyOverview,
  companySuspended,
  type NewCompany,
  notFound,
  type RequestOptions,
  SecretStoreName,
  Subdomain,
  TenantSecretsError,
  wrongRegion,
} from "@repo/catalog";
import type { Attempt } from "../access/attempt.ts";
import { secondFactorDue } from "../access/enrolment.ts";
import type { ManagementRequest } from "../access/management-requests.ts";
import { audited, type Operations, type Transaction } from "../access/operation.ts";
import { entersCompany } from "../access/permissions.ts";
import { changeCompany, describeCompany, lockNamed, type StoredCompany } from "./change-company.ts";
import { companyIdOf } from "./company-id.ts";
import { selectOverviews } from "./company-overviews.ts";
import type { CompanyRows } from "./company-rows.ts";

/** A company, as the store of its secrets needs it. */
export interface Company {
  readonly id: CompanyId;
  readonly subdomain: string;
  readonly infisicalFolder: string;
  readonly secretStore: SecretStoreName;
  /** Incremented by every change of the store: a write with an older epoch is refused, and retried under the current store. */
  readonly storeEpoch: number;
  /** Where it is at home, if that is another region: then this one has copies of its secrets, and reads from those alone. */
  readonly home?: CompanyHome | undefined;
}

export interface CompanyHome {
  readonly region: string;
  /** How often the home has been moved, from 1. */
  readonly epoch: number;
}

/**
 * One caller in one company that it may enter. Resolved once per call, or once for a request with several calls, and passed on.
 */
export interface CompanyScope {
  readonly caller: Caller;
  readonly company: Company;
  /**
   * Whether answers go to a remote caller, rather than to product code: then people `reveal` values instead of reading them.
   */
  readonly isRemote?: boolean | undefined;
}

export interface NewSubdomain extends RequestOptions {
  readonly subdomain: string;
}

export interface Companies {
  /**
   * Resolves a subdomain to a company that the caller may enter.
   *
   * @param request the operation, for the event of a denial. A secret key that the catalogue does not list is left out of the
   *   event: it may be a value sent by mistake
   * @throws {TenantSecretsError} NOT_FOUND, the same for an unknown and a foreign company; COMPANY_SUSPENDED, except for what
   *   operators do beside its secrets; WRONG_REGION for a company that is at home elsewhere, except for what a region with
   *   copies does; RATE_LIMITED
   */
  resolve(request: Attempt, subdomain: string): Promise<CompanyScope>;
  /**
   * As `resolve`, synchronously, from the cache alone.
   *
   * @param now by `performance.now()`
   * @returns undefined on a cache miss, and if the call would be denied
   */
  resolveCached(caller: Caller, subdomain: string, now: number): CompanyScope | undefined;
  /**
   * Resolves the same caller and company again, by the company's id, after its store has changed. Follows a rename.
   *
   * @throws {TenantSecretsError} NOT_FOUND if the caller may no longer enter it; COMPANY_SUSPENDED
   */
  resolveAgain(scope: CompanyScope): Promise<CompanyScope>;
  /** @throws {TenantSecretsError} FORBIDDEN, INVALID_INPUT, CONFLICT when the subdomain is taken or was ever a folder */
  create(caller: Caller, company: NewCompany): Promise<CompanyDescription>;
  /** By subdomain. @throws {TenantSecretsError} FORBIDDEN */
  list(caller: Caller): Promise<readonly CompanyOverview[]>;
  /** @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND */
  get(caller: Caller, subdomain: string): Promise<CompanyOverview>;
  /** Changes the subdomain; the id and the folder in Infisical stay the same. @throws as `create`, and NOT_FOUND */
  rename(caller: Caller, subdomain: string, change: NewSubdomain): Promise<CompanyDescription>;
  /**
   * Sets the recovery window of removed secrets, 7 to 90 days. Secrets removed before keep their deadline.
   *
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND, INVALID_INPUT
   */
  setRecovery(caller: Caller, subdomain: string, days: number): Promise<CompanyDescription>;
}

const toManage = { verb: "companies", to: "manage companies" } as const;

export function createCompanies(operations: Operations, rows: CompanyRows): Companies {
  const { ownRegion } = rows;
  /** A change that a request applies once. */
  const change = (
    { caller, action, ...request }: ManagementRequest,
    work: (transaction: Transaction) => Promise<StoredCompany>,
  ): Promise<CompanyDescription> => {
    const replayed = ({ id }: CompanyDescription) => ({ companyId: id });
    const once = { ...request, answer: ChangedCompany, replayed };
    const violations = { companies_subdomain_key: subdomainTaken };
    return operations.change({ caller, action, ...toManage, once, violations }, async (transaction) => {
      const row = await work(transaction);
      return audited(describeCompany(row), { companyId: row.id, version: row.revision });
    });
  };

  const find = ({ actor }: Caller, subdomain: string): Promise<CompanyRow | undefined> =>
    actor.kind === "job" || actor.kind === "operator"
      ? rows.find(subdomain)
      : rows.findFor(({ id }) => entersCompany(actor, id), subdomain);

  return {
    resolve: async (request, subdomain) => {
      const { caller } = request;
      // Here too, for code of the product that acts for a person without the router.
      const due = secondFactorDue(caller);
      if (due !== undefined) return operations.deny(request, due);
      const row = Subdomain.safeParse(subdomain).success ? await find(caller, subdomain) : undefined;
      const company = row && verified(caller, row, ownRegion);
      // Audited in the caller's own company, whose auditors must not learn whether the other one exists.
      if (company === undefined) return operations.deny(request, notFound());
      if (row?.status === "suspended" && !reachesSuspended(request)) {
        return operations.deny({ ...request, companyId: company.id }, companySuspended());
      }
      if (company.home !== undefined && !servedFromCopies(request)) {
        const { region } = company.home;
        // No denial: the caller may do this, and the answer says where.
        await operations.inSteps(
          { ...request, caller: { ...caller, confirmationDue: false }, company, changes: false },
          () => Promise.reject(wrongRegion(region, undefined)),
        );
      }
      return { caller, company };
    },

    resolveCached: (caller, subdomain, now) => {
      const row = rows.peek(subdomain, now);
      const company = row?.status === "active" ? verified(caller, row, ownRegion) : undefined;
      return company && { caller, company };
    },

    resolveAgain: async (scope) => {
      const {
        caller,
        company: { id },
      } = scope;
      rows.invalidate(id);
      const row = await rows.findById(id);
      const company = row && verified(caller, row, ownRegion);
      if (company === undefined) throw notFound();
      if (row?.status === "suspended") throw companySuspended();
      return { ...scope, company };
    },

    create: (caller, { subdomain, secretStore, requestId }) => {
      const request = {
        caller,
        action: "company.create",
        requestId,
        asked: { subdomain, secretStore },
      } as const;
      return change(request, async ({ statements, writer }) => {
        checkSubdomain(subdomain);
        await requireUnreserved(statements, subdomain);
        const company = {
          id: randomUUID(),
          subdomain,
          secretStore,
          infisicalFolder: subdomain,
          storeEpoch: 1,
          status: "active",
          secondFactorRequired: false,
          homeRegion: ownRegion,
          homeEpoch: 1,
        } as const;
        const [row] = await statements
          .insert(tables.companies)
          .values({ ...company, ...(await writer.seal({ kind: "company", ...company })) })
          .onConflictDoNothing()
          .returning();
        if (row === undefined) throw subdomainTaken();
        return row;
      });
    },

    list: (caller) =>
      operations.read({ caller, action: "company.list", ...toManage }, async (across) => {
        return audited(await across((statements) => selectOverviews(statements)), {});
      }),

    get: (caller, subdomain) =>
      operations.read({ caller, action: "company.get", ...toManage }, async (across) => {
        const isName = Subdomain.safeParse(subdomain).success;
        const [found] = isName ? await across((statements) => selectOverviews(statements, subdomain)) : [];
        if (found === undefined) throw notFound();
        return audited(found, { companyId: found.id });
      }),

    rename: (caller, company, { subdomain, requestId }) => {
      const asked = { company, subdomain };
      return change({ caller, action: "company.rename", requestId, asked }, async (transaction) => {
        const found = await lockNamed(transaction, company, ownRegion);
        checkSubdomain(subdomain);
        await requireUnreserved(transaction.statements, subdomain);
        return changeCompany(transaction, found, { subdomain });
      });
    },

    setRecovery: (caller, company, days) => {
      const asked = { company, days };
      const request = { caller, action: "company.set-recovery", requestId: undefined, asked } as const;
      return change(request, async (transaction) => {
        const found = await lockNamed(transaction, company, ownRegion);
        checkRecoveryDays(days);
        return changeCompany(transaction, found, { recoveryDays: days });
      });
    },
  };
}

/** Operators look after a suspended company's people, API keys and audit log; its secrets stay shut for them too. */
function reachesSuspended({ caller, action }: Attempt): boolean {
  return caller.actor.kind === "operator" && !action.startsWith("secret.");
}

/**
 * What a region does for a company that is at home elsewhere: it reads secrets from copies, and its own people, API keys and audit
 * log are its own. Everything else is done at home alone.
 */
const servedActions: ReadonlySet<string> = new Set<AuditAction>([
  "secret.read",
  "secret.reveal",
  "secret.list",
  "company.stamp",
  "company.take-over",
]);
const servedKinds: readonly string[] = ["member", "invitation", "api-key", "audit", "export"];

function servedFromCopies({ action }: Attempt): boolean {
  return servedActions.has(action) || servedKinds.some((kind) => action.startsWith(`${kind}.`));
}

/** The company of a row, if it is not deleted and the caller may enter it. */
function verified({ actor }: Caller, row: CompanyRow, ownRegion: string): Company | undefined {
  if (row.status === "deleted" || !entersCompany(actor, row.id)) return undefined;
  const known = verifiedRows.get(row);
  if (known !== undefined) return known;
  const company = companyOfRow(row, ownRegion);
  verifiedRows.set(row, company);
  return company;
}

export function companyOfRow(row: CompanyRow, ownRegion: string): Company {
  const { subdomain, infisicalFolder, secretStore, storeEpoch, homeRegion, homeEpoch } = row;
  const company = { id: companyIdOf(row), subdomain, infisicalFolder, secretStore, storeEpoch };
  return homeRegion === ownRegion ? company : { ...company, home: { region: homeRegion, epoch: homeEpoch } };
}

/** The parsed company per cached row, since a cached row is resolved many times. */
const verifiedRows = new WeakMap<CompanyRow, Company>();

const ChangedCompany = z.object({
  id: z.string(),
  subdomain: z.string(),
  secretStore: SecretStoreName,
  status: z.enum(["active", "suspended", "deleted"]),
  recoveryDays: z.int(),
  secondFactorRequired: z.boolean(),
  createdAt: z.coerce.date(),
});

function checkSubdomain(subdomain: string): void {
  if (Subdomain.safeParse(subdomain).success) return;
  throw new TenantSecretsError(
    "INVALID_INPUT",
    "A subdomain has 1 to 63 lower-case letters, digits or hyphens, and neither begins nor ends with a hyphen.",
  );
}

/** What a deleted company was called is never given to another one. @throws {TenantSecretsError} CONFLICT */
async function requireUnreserved(statements: Statements, subdomain: string): Promise<void> {
  const { companies, companySubdomains } = tables;
  const [taken] = await statements
    .select({ id: companies.id })
    .from(companySubdomains)
    .innerJoin(companies, eq(companies.id, companySubdomains.companyId))
    .where(and(eq(companySubdomains.subdomain, subdomain), eq(companies.status, "deleted")))
    .limit(1);
  if (taken !== undefined) throw subdomainTaken();
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
