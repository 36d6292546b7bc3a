import { and, asc, eq, isNull } from "drizzle-orm";
import {
  type Caller,
  type CompanyId,
  type CompanyRegion,
  notFound,
  type RequestOptions,
  TenantSecretsError,
} from "@repo/catalog";
import { type Statements, tables } from "@repo/db";
import { z } from "zod";
import type { AuthenticRows } from "../access/authentic-rows.ts";
import {
  audited,
  type Audited,
  type Operation,
  type Operations,
  type Transaction,
} from "../access/operation.ts";
import type { CopiedKey } from "../access/signed-copies.ts";
import { lockNamed } from "../companies/change-company.ts";
import type { Companies } from "../companies/companies.ts";
import { lockCompany } from "../companies/company-lock.ts";
import type { CompanyKeys } from "../keys/company/company-keys.ts";
import { unknownRegion } from "./regions.ts";
import { copyKeys } from "./renewal-run.ts";

const { companyRegions, regions } = tables;

export interface AskedRegion extends RequestOptions {
  readonly region: string;
}

/** Where a company may be, besides its home. */
export interface CompanyRegions {
  /** Those whose rows are genuine, by name. @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND */
  list(caller: Caller, company: string): Promise<readonly CompanyRegion[]>;
  /**
   * Makes all copies for a region in one transaction. Idempotent.
   *
   * @throws {TenantSecretsError} FORBIDDEN; NOT_FOUND, for an unknown region as well; WRONG_REGION; CONFLICT for a company whose store is not
   *   the database; INTEGRITY_FAILURE if a key, or a row that decides on the region, is not genuine
   */
  add(caller: Caller, company: string, asked: AskedRegion): Promise<CompanyRegion>;
  /** Deletes all copies of a region. Idempotent. @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND */
  remove(caller: Caller, company: string, asked: AskedRegion): Promise<void>;
}

interface Dependencies {
  readonly operations: Operations;
  readonly authentic: Pick<AuthenticRows, "accepts">;
  readonly companies: Pick<Companies, "resolve">;
  readonly companyKeys: Pick<CompanyKeys, "secrets">;
  /** The name of this region. */
  readonly ownRegion: string;
}

type Asked = Pick<Operation, "caller" | "action" | "subject">;

const toManage = { verb: "companies", to: "manage companies" } as const;
const Added = z.object({ region: z.string(), since: z.coerce.date() });

export function createCompanyRegions(dependencies: Dependencies): CompanyRegions {
  const { operations, authentic, companies, ownRegion } = dependencies;

  /** Checks for an operator first: other callers must not learn whether the company exists. */
  const resolve = async (asked: Asked, subdomain: string) => {
    await operations.authorize({ ...asked, ...toManage });
    const { company } = await companies.resolve(asked, subdomain);
    return { operation: { ...asked, company }, company };
  };

  const add = async (caller: Caller, subdomain: string, { region, requestId }: AskedRegion) => {
    const { operation, company } = await resolve(
      { caller, action: "company.add-region", subject: region },
      subdomain,
    );
    const once = { requestId, asked: { company: company.id, region }, answer: Added };
    const violations = { company_regions_region: unknownRegion };
    const secrets = await dependencies.companyKeys.secrets(company.id);
    try {
      return await operations.change({ ...operation, once, violations }, (transaction) =>
        copyTo(transaction, { id: company.id, subdomain, region, ownRegion }, secrets),
      );
    } finally {
      for (const { secret } of secrets) secret.fill(0);
    }
  };

  return {
    list: async (caller, subdomain) => {
      const { operation, company } = await resolve({ caller, action: "company.list-regions" }, subdomain);
      return operations.read(operation, async (across) => {
        const rows = await across((statements) =>
          statements
            .select()
            .from(companyRegions)
            .where(eq(companyRegions.companyId, company.id))
            .orderBy(asc(companyRegions.region)),
        );
        const genuine: CompanyRegion[] = [];
        for (const row of rows)
          if (await authentic.accepts(stateOf(row), row))
            genuine.push({ region: row.region, since: row.since });
        return audited(genuine, {});
      });
    },

    add: async (caller, subdomain, asked) => {
      for (;;) {
        try {
          return await add(caller, subdomain, asked);
        } catch (error) {
          if (!(error instanceof KeysChanged)) throw error;
        }
      }
    },

    remove: async (caller, subdomain, { region, requestId }) => {
      const { operation, company } = await resolve(
        { caller, action: "company.remove-region", subject: region },
        subdomain,
      );
      const once = { requestId, asked: { company: company.id, region }, answer: z.null() };
      await operations.change<null>({ ...operation, once }, async ({ statements, writer }) => {
        await lockCompany(statements, company.id);
        await statements.delete(companyRegions).where(ofRegion(company.id, region));
        // A later revision than the row's, so that an old row that is put back is found out.
        const { revision } = await writer.seal(stateOf({ companyId: company.id, region }));
        return audited(null, { version: revision });
      });
    },
  };
}

/** A key was made or destroyed since the keys were loaded. */
class KeysChanged extends TenantSecretsError {
  constructor() {
    super("CONFLICT", "A key of this company was just replaced: try again.");
  }
}

interface Copied {
  readonly id: CompanyId;
  readonly subdomain: string;
  readonly region: string;
  readonly ownRegion: string;
}

async function copyTo(
  { statements, writer, copies }: Transaction,
  { id, subdomain, region, ownRegion }: Copied,
  secrets: readonly CopiedKey[],
): Promise<Audited<CompanyRegion>> {
  // Before the company's row, as in every other transaction.
  await lockCompany(statements, id);
  const company = await lockNamed({ statements, writer }, subdomain, ownRegion);
  if (company.id !== id) throw notFound();
  writer.require({ kind: "company", ...company }, company);
  if (company.secretStore !== "database")
    throw new TenantSecretsError(
      "CONFLICT",
      `Only what is in the database is copied to other regions, and this company is on the ${company.secretStore} store: move it to the database first ("migrate switch --to database").`,
    );
  await requireRegion(statements, region);
  const [present] = await statements.select().from(companyRegions).where(ofRegion(id, region));
  if (present !== undefined) {
    writer.require(stateOf(present), present);
    return audited({ region, since: present.since }, { version: present.revision });
  }
  const state = { companyId: id, region };
  const [row] = await statements
    .insert(companyRegions)
    .values({ ...state, ...(await writer.seal(stateOf(state))) })
    .returning();
  if (row === undefined) throw new Error("an insert returns its row");
  await copies.company(company);
  if (!(await copyKeys({ statements, copies }, { companyId: id, secrets }, { region })))
    throw new KeysChanged();
  return audited({ region, since: row.since }, { version: row.revision });
}

/** Keeps the region from being removed meanwhile. @throws {TenantSecretsError} NOT_FOUND */
async function requireRegion(statements: Statements, region: string): Promise<void> {
  const [found] = await statements
    .select({ region: regions.region })
    .from(regions)
    .where(and(eq(regions.region, region), isNull(regions.removedAt)))
    .for("share");
  if (found === undefined) throw unknownRegion();
}

function ofRegion(companyId: string, region: string) {
  return and(eq(companyRegions.companyId, companyId), eq(companyRegions.region, region));
}

function stateOf({ companyId, region }: { readonly companyId: string; readonly region: string }) {
  return { kind: "company-region", companyId, region } as const;
}
