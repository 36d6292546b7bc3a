import { and, desc, eq, sql } from "drizzle-orm";
import { type Database, type Statements, tables } from "@repo/db";
import {
  type Caller,
  type Export,
  type ExportPage,
  type ExportQuery,
  notFound,
  Subdomain,
} from "@repo/catalog";
import { audited, type Operations } from "../access/operation.ts";
import {
  type NamedActor,
  type NameOf,
  selectNamesInCompany,
  selectNamesOnPlatform,
} from "../companies/actor-names.ts";
import type { Companies } from "../companies/companies.ts";
import { readDocument } from "../runs/signed-document.ts";
import type { SignedReceipt } from "../runs/signed-receipt.ts";
import { ExportReceipt } from "./export-receipt.ts";

const { companies: companyRows, exportReceipts } = tables;

const pageSize = 100;

/** The receipts of encrypted exports, which the vault makes. Nothing changes or deletes them. */
export interface Exports {
  /** A page of a company's exports, the latest first. @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND */
  list(caller: Caller, query: ExportQuery): Promise<ExportPage>;
  /** @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND */
  receipt(
    caller: Caller,
    named: { readonly company: string; readonly export: string },
  ): Promise<SignedReceipt>;
}

interface Dependencies {
  readonly database: Pick<Database, "inCompany" | "acrossCompanies">;
  readonly operations: Pick<Operations, "read">;
  readonly companies: Pick<Companies, "resolve">;
}

/** The receipts of one company, as its people or an operator read them. */
interface Reading {
  readonly statements: Statements;
  readonly companyId: string;
  readonly selectNames: (actors: readonly NamedActor[]) => Promise<NameOf>;
}

type Asked = { readonly caller: Caller; readonly action: "export.list" | "export.receipt" };

const toRead = { verb: "audit", to: "read the receipts of exports" } as const;

export function createExports({ database, operations, companies }: Dependencies): Exports {
  /** Operators also have those of a company that is suspended, deleted, or at home elsewhere by now. */
  const read = async <T>(
    asked: Asked,
    subdomain: string,
    work: (reading: Reading) => Promise<T>,
  ): Promise<T> => {
    if (asked.caller.actor.kind === "operator") {
      return operations.read({ ...asked, ...toRead }, (across) =>
        across(async (statements) => {
          const companyId = await findCompany(statements, subdomain);
          const selectNames: Reading["selectNames"] = (actors) => selectNamesOnPlatform(statements, actors);
          return audited(await work({ statements, companyId, selectNames }), { companyId });
        }),
      );
    }
    const { company } = await companies.resolve(asked, subdomain);
    return operations.read({ ...asked, ...toRead, company }, async () =>
      database.inCompany(company.id, async (statements) => {
        const selectNames: Reading["selectNames"] = (actors) =>
          selectNamesInCompany(statements, company.id, actors);
        return audited(await work({ statements, companyId: company.id, selectNames }), {});
      }),
    );
  };

  return {
    list: (caller, { company, cursor }) =>
      read({ caller, action: "export.list" }, company, async ({ statements, companyId, selectNames }) => {
        const rows = await statements
          .select()
          .from(exportReceipts)
          .where(and(eq(exportReceipts.companyId, companyId), after(companyId, cursor)))
          .orderBy(desc(exportReceipts.exportedAt), desc(exportReceipts.id))
          .limit(pageSize + 1);
        const page = rows.slice(0, pageSize).map(describe);
        const nameOf = await selectNames(page.map(({ facts }) => exporterOf(companyId, facts)));
        return {
          exports: page.map(({ facts, ...each }) => ({
            ...each,
            facts: facts && { ...facts, exportedByName: nameOf(exporterOf(companyId, facts)) },
          })),
          cursor: rows.length > pageSize ? page.at(-1)?.id : undefined,
        };
      }),

    receipt: (caller, { company, export: id }) =>
      read({ caller, action: "export.receipt" }, company, async ({ statements, companyId }) => {
        const [row] = await statements
          .select({ receipt: exportReceipts.receipt, signature: exportReceipts.signature })
          .from(exportReceipts)
          .where(and(eq(exportReceipts.companyId, companyId), eq(exportReceipts.id, id)));
        if (row === undefined) throw notFound();
        return row;
      }),
  };
}

/** What comes after the last one of the page before. */
function after(companyId: string, cursor: string | undefined) {
  const { exportedAt, id } = exportReceipts;
  return cursor === undefined
    ? undefined
    : sql`(${exportedAt}, ${id}) < (select last.exported_at, last.id from export_receipts last
        where last.company_id = ${companyId} and last.id = ${cursor})`;
}

type Row = typeof exportReceipts.$inferSelect;

function describe({ id, exportedAt, receipt }: Row): Export {
  const content = readDocument(ExportReceipt, receipt);
  if (content === undefined) return { id, exportedAt };
  const { exportedBy, purpose, recipients, file, secrets, leftOut } = content;
  const counts = { secrets: secrets.length, leftOut: leftOut.length };
  return { id, exportedAt, facts: { exportedBy, purpose, recipients, ...file, ...counts } };
}

function exporterOf(companyId: string, facts: Export["facts"]): NamedActor {
  const [kind = "", id = ""] = facts?.exportedBy.split(" ") ?? [];
  return { companyId, kind, id };
}

/** The company that has a subdomain, or the last deleted one that had it. @throws {TenantSecretsError} NOT_FOUND */
async function findCompany(statements: Statements, subdomain: string): Promise<string> {
  // An invalid subdomain names no company, and may be a text that PostgreSQL rejects.
  if (!Subdomain.safeParse(subdomain).success) throw notFound();
  const [row] = await statements
    .select({ id: companyRows.id })
    .from(companyRows)
    .where(eq(companyRows.subdomain, subdomain))
    .orderBy(sql`${companyRows.deletedAt} desc nulls first`)
    .limit(1);
  if (row === undefined) throw notFound();
  return row.id;
}
