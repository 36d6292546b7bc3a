import type { KeyObject } from "node:crypto";
import { and, inArray, isNull } from "drizzle-orm";
import { z } from "zod";
import { tables, type Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import { refuse } from "../access/attempt.ts";
import { onDatabase } from "../access/database-errors.ts";
import { permitsOnPlatform } from "../access/permissions.ts";
import type { Catalog } from "../catalog/catalog.ts";
import type { Companies } from "../companies/companies.ts";
import { readLegacyKey } from "../keys/legacy-key.ts";
import type { Caller } from "../vocabulary/actor.ts";
import { forbidden, TenantSecretsError } from "../vocabulary/errors.ts";
import { bad, type LegacyOutcome, type LegacyReason, type Verdict } from "./legacy-outcome.ts";
import { createPlace, type Destination, type LegacyPlaceParts } from "./legacy-place.ts";
import { openLegacyRow, secretKeyOf, type LegacyRow } from "./legacy-row.ts";

export interface LegacyImportOptions {
  /** The secret in `/hono-api` that holds the raw key. */
  readonly keyName: string;
  /** Takes a name that the catalogue does not list as `CUSTOM_…`. */
  readonly customUnknown: boolean;
  /** Says what would be done, and does none of it. */
  readonly dryRun: boolean;
}

/**
 * Reads what the strategy's sample code wrote, and seals it anew. Each row is a transaction of its own, so that a run
 * which ended anywhere is completed by another one. What stands here already is never touched.
 *
 * @param caller an operator, in whose name the record has it
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
  return async function* importLegacy(caller, source, options) {
    const { audit, catalog } = parts;
    if (!permitsOnPlatform(caller.actor, "companies")) {
      await refuse(audit, { caller, action: "secret.import" }, forbidden("import secrets"));
    }
    await audit.ready();
    const rawKey = await readLegacyKey(parts.infisical, options.keyName);
    const place = createPlace(parts, caller, options.dryRun);
    for await (const rows of source) {
      const find = await createFind(parts, caller, rows);
      for (const row of rows) {
        const target = secretKeyOf(catalog, row.secretKey, options.customUnknown);
        const verdict = await importRow({ catalog, rawKey, find, place }, row, target);
        yield { company: row.company, secretKey: row.secretKey, target, ...verdict };
      }
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
  { company: name, sealed }: LegacyRow,
  secretKey: string | undefined,
): Promise<Verdict> {
  if (sealed === undefined) return bad("UNREADABLE_ROW");
  const destination = await find(name);
  if (typeof destination === "string") return bad(destination);
  if (secretKey === undefined) return bad("UNKNOWN_SECRET_KEY");
  const opened = openLegacyRow(rawKey, catalog, secretKey, sealed);
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
  const code = error instanceof TenantSecretsError ? error.code : undefined;
  if (code === "INTEGRITY_FAILURE" || code === "KEY_UNAVAILABLE" || code === "KEY_DESTROYED") return code;
  throw error;
}

type Find = (name: string) => Promise<Destination | "UNKNOWN_COMPANY" | "STORE_IS_INFISICAL">;

/** Finds the companies of a batch, each once. A name in the form of a UUID is an id. */
async function createFind(
  { database, companies, infisicalStore }: LegacyImportParts,
  caller: Caller,
  rows: readonly LegacyRow[],
): Promise<Find> {
  const subdomains = await subdomainsOf(
    database,
    rows.flatMap(({ company }) => z.guid().safeParse(company).data?.toLowerCase() ?? []),
  );
  const enter: Find = async (name) => {
    const subdomain = z.guid().safeParse(name).success ? subdomains.get(name.toLowerCase()) : name;
    if (subdomain === undefined) return "UNKNOWN_COMPANY";
    try {
      const company = await companies.enter({ caller, action: "secret.import" }, subdomain);
      if (company.secretStore === "infisical") return "STORE_IS_INFISICAL";
      const outside = company.secretStore === "hybrid" ? await infisicalStore.list(company) : [];
      return { company, outside: new Set(outside.map(({ secretKey }) => secretKey)) };
    } catch (error) {
      if (error instanceof TenantSecretsError && error.code === "NOT_FOUND") return "UNKNOWN_COMPANY";
      throw error;
    }
  };
  const found = new Map<string, ReturnType<Find>>();
  return (name) => {
    const finding = found.get(name) ?? enter(name);
    found.set(name, finding);
    return finding;
  };
}

async function subdomainsOf(
  database: Database,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map();
  const { id, subdomain, deletedAt } = tables.companies;
  const rows = await onDatabase(() =>
    database.acrossCompanies((statements) =>
      statements
        .select({ id, subdomain })
        .from(tables.companies)
        .where(and(inArray(id, [...new Set(ids)]), isNull(deletedAt))),
    ),
  );
  return new Map(rows.map((row) => [row.id, row.subdomain]));
}
