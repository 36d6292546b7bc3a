import type { KeyObject } from "node:crypto";
import { count, inArray } from "drizzle-orm";
import { z } from "zod";
import { DatabaseError, tables, type Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import { asTenantSecretsError } from "@repo/audit-log";
import { type Caller, type Catalog, TenantSecretsError } from "@repo/catalog";
import type { Companies } from "../companies/companies.ts";
import { readLegacyKey } from "../keys/master/legacy-key.ts";
import { bad, conflict, type LegacyOutcome, type LegacyReason, type Verdict } from "./legacy-outcome.ts";
import { createPlace, type Destination, type LegacyPlaceParts } from "./legacy-place.ts";
import { openLegacyRow, secretKeyOf, type LegacyRow } from "./legacy-row.ts";

export interface LegacyImportOptions {
  /** The secret in `/hono-api` that holds the raw key. */
  readonly keyName: string;
  /** Takes a name that the catalogue does not list as `CUSTOM_…`. */
  readonly customUnknown: boolean;
  /** Says what would be done, and does none of it. */
  readonly dryRun: boolean;
  /** Companies of the rows, by the name or id that the rows have, and the subdomain or id here that each is. */
  readonly assigned?: ReadonlyMap<string, string> | undefined;
}

/**
 * Reads what the strategy's sample code wrote, and seals it anew. Each row is a transaction of its own, so that a run
 * which ended anywhere is completed by another one. What stands here already is never touched.
 *
 * @param caller an operator, in whose name the audit log has it
 * @param source the rows in batches; each company is looked up once a batch
 * @returns what became of each row, as soon as that is certain; nothing is done before it is asked for
 * @throws {TenantSecretsError} FORBIDDEN; what `readLegacyKey` throws; what makes it useless to go on, such as
 *   DATABASE_UNAVAILABLE
 */
export type ImportLegacy = (
  caller: Caller,
  source: AsyncIterable<readonly LegacyRow[]>,
  options: LegacyImportOptions,
) => AsyncGenerator<LegacyOutcome, void>;

interface LegacyImportParts extends LegacyPlaceParts {
  readonly database: Database;
  readonly infisical: InfisicalClient;
  readonly catalog: Catalog;
  readonly companies: Companies;
}

export function createLegacyImport(parts: LegacyImportParts): ImportLegacy {
  const importRows: ImportLegacy = async function* (caller, source, options) {
    const { operations, catalog } = parts;
    await operations.authorize({
      caller,
      action: "secret.import",
      verb: "companies",
      to: "import secrets",
    });
    const rawKey = await readLegacyKey(parts.infisical, options.keyName);
    const place = createPlace(parts, caller, options.dryRun);
    for await (const rows of source) {
      const find = await createFind(parts, caller, { rows, assigned: options.assigned ?? new Map() });
      for (const row of rows) {
        const target = secretKeyOf(catalog, row.secretKey, options.customUnknown);
        const verdict = await importRow({ catalog, rawKey, find, place }, row, target);
        yield { company: row.company, secretKey: row.secretKey, target, ...verdict };
      }
    }
  };
  return async function* importLegacy(...asked) {
    try {
      yield* importRows(...asked);
    } catch (error) {
      // What the source throws is for whoever reads it.
      throw error instanceof DatabaseError ? asTenantSecretsError(error) : error;
    }
  };
}

interface RowParts {
  readonly catalog: Catalog;
  readonly rawKey: KeyObject;
  readonly find: Find;
  readonly place: ReturnType<typeof createPlace>;
}

async function importRow(
  { catalog, rawKey, find, place }: RowParts,
  row: LegacyRow,
  secretKey: string | undefined,
): Promise<Verdict> {
  const { encrypted } = row;
  if (encrypted === undefined) return bad("UNREADABLE_ROW");
  const destination = await find(row);
  if (destination === "AMBIGUOUS_COMPANY") return conflict(destination);
  if (typeof destination === "string") return bad(destination);
  if (secretKey === undefined) return bad("UNKNOWN_SECRET_KEY");
  const opened = openLegacyRow(rawKey, catalog, secretKey, encrypted);
  if (typeof opened === "string") return bad(opened);
  try {
    return await place(destination, secretKey, opened);
  } catch (error) {
    return bad(reasonOf(error));
  } finally {
    opened.plaintext.wipe();
  }
}

/** What can be wrong with one secret or company while the others are well. @throws everything else */
function reasonOf(error: unknown): LegacyReason {
  const { code } = asTenantSecretsError(error);
  if (code === "INTEGRITY_FAILURE" || code === "KEY_UNAVAILABLE" || code === "KEY_DESTROYED") return code;
  throw error;
}

type Find = (row: LegacyRow) => Promise<Destination | Unplaced>;
type Unplaced = "UNKNOWN_COMPANY" | "AMBIGUOUS_COMPANY" | "STORE_IS_INFISICAL";

/**
 * Finds the companies of a batch, each once. A row belongs to the company of its id, where that is one here, whatever its
 * name is by now: a name can pass from one company to another. Without such an id it goes by its name, if no more than one
 * company has ever had that.
 */
async function createFind(
  { database, companies, infisicalStore }: LegacyImportParts,
  caller: Caller,
  { rows, assigned }: { readonly rows: readonly LegacyRow[]; readonly assigned: ReadonlyMap<string, string> },
): Promise<Find> {
  const wanted = rows.flatMap((row) => namesOf(row, assigned));
  const subdomains = await subdomainsOf(
    database,
    wanted.flatMap((name) => idIn(name) ?? []),
  );
  const owners = await ownersOf(database, wanted);
  const enter = async (subdomain: string): Promise<Destination | Unplaced> => {
    try {
      const { company } = await companies.resolve({ caller, action: "secret.import" }, subdomain);
      if (company.secretStore === "infisical") return "STORE_IS_INFISICAL";
      const outside = company.secretStore === "hybrid" ? (await infisicalStore.list(company)).secrets : [];
      return { company, outside: new Set(outside.map(({ secretKey }) => secretKey)) };
    } catch (error) {
      if (error instanceof TenantSecretsError && error.code === "NOT_FOUND") return "UNKNOWN_COMPANY";
      throw error;
    }
  };
  const entered = new Map<string, Promise<Destination | Unplaced>>();
  return async (row) => {
    const names = namesOf(row, assigned);
    const known = names.map(idIn).find((id) => id !== undefined && subdomains.has(id));
    const name = names.find((each) => idIn(each) === undefined);
    // Deleted, with the id: an owner of the name after it is another company.
    const subdomain = known === undefined ? name : subdomains.get(known);
    if (subdomain === undefined) return "UNKNOWN_COMPANY";
    const isAssigned = assigned.has(row.company) || assigned.has(row.companyId ?? "");
    if (known === undefined && !isAssigned && (owners.get(subdomain) ?? 0) > 1) return "AMBIGUOUS_COMPANY";
    const finding = entered.get(subdomain) ?? enter(subdomain);
    entered.set(subdomain, finding);
    return finding;
  };
}

/** What a row's company is looked for by, the surer first. */
function namesOf(row: LegacyRow, assigned: ReadonlyMap<string, string>): readonly string[] {
  const given = [row.companyId, row.company].filter((name) => name !== undefined);
  const decided = given.map((name) => assigned.get(name)).find((name) => name !== undefined);
  return decided === undefined ? given : [decided];
}

function idIn(name: string): string | undefined {
  return z.guid().safeParse(name).data?.toLowerCase();
}

/** @returns by id, the subdomain; undefined as that of a deleted company */
async function subdomainsOf(
  database: Database,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string | undefined>> {
  if (ids.length === 0) return new Map();
  const { id, subdomain, deletedAt } = tables.companies;
  const rows = await database.acrossCompanies((statements) =>
    statements
      .select({ id, subdomain, deletedAt })
      .from(tables.companies)
      .where(inArray(id, [...new Set(ids)])),
  );
  return new Map(rows.map((row) => [row.id, row.deletedAt === null ? row.subdomain : undefined]));
}

/** How many companies have had each of these subdomains. */
async function ownersOf(database: Database, names: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const { subdomain } = tables.companySubdomains;
  const rows = await database.acrossCompanies((statements) =>
    statements
      .select({ subdomain, owners: count() })
      .from(tables.companySubdomains)
      .where(inArray(subdomain, [...new Set(names)]))
      .groupBy(subdomain),
  );
  return new Map(rows.map((row) => [row.subdomain, row.owners]));
}
