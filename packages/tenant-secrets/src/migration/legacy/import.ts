import { randomUUID, type KeyObject } from "node:crypto";
import { count, inArray } from "drizzle-orm";
import { z } from "zod";
import { DatabaseError, tables, type Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import { asTenantSecretsError } from "@repo/audit-log";
import { type Caller, type Catalog, TenantSecretsError } from "@repo/catalog";
import type { Companies } from "../../companies/companies.ts";
import { readLegacyKey } from "../../keys/master/legacy-key.ts";
import { defineRun, type Run } from "../../runs/run.ts";
import { bad, conflict, type LegacyOutcome, type LegacyReason, type Verdict } from "./outcome.ts";
import { createPlace, type Destination, type LegacyPlaceParts } from "./place.ts";
import { openLegacyRow, secretKeyOf, type LegacyRow } from "./row.ts";

export interface LegacyImportOptions {
  /** The secret in `/hono-api` that holds the raw key. */
  readonly keyName: string;
  /** Imports a name that the catalogue does not list as `CUSTOM_…`. */
  readonly customUnknown: boolean;
  /** Reports the outcomes without writing anything. */
  readonly dryRun: boolean;
  /** Maps companies as named in the rows, by name or id, to a subdomain or id here. */
  readonly assigned?: ReadonlyMap<string, string> | undefined;
  /** Called with each row's outcome, as soon as it is final. An error ends the import. */
  readonly onOutcome: (outcome: LegacyOutcome) => void | Promise<void>;
}

/**
 * Imports what the strategy's sample code wrote, and encrypts it again. Each row is its own transaction, so that another import
 * can complete an interrupted one. Existing secrets are never changed. The import is a run with progress that can be cancelled;
 * its source belongs to this process, so that no other process can continue it.
 *
 * @param caller an operator, who is audited as the actor
 * @param source the rows in batches; each company is looked up once per batch
 * @throws {TenantSecretsError} FORBIDDEN; the errors of `readLegacyKey`; CONFLICT if it was cancelled; errors that affect all
 *   rows, such as DATABASE_UNAVAILABLE
 */
export type ImportLegacy = (
  caller: Caller,
  source: AsyncIterable<readonly LegacyRow[]>,
  options: LegacyImportOptions,
) => Promise<void>;

const Input = z.strictObject({ dryRun: z.boolean(), customUnknown: z.boolean() });

/** The number of rows per outcome. */
const Facts = z.strictObject({
  imported: z.int(),
  unchanged: z.int(),
  conflict: z.int(),
  bad: z.int(),
});

interface Tools {
  readonly source: AsyncIterable<readonly LegacyRow[]>;
  readonly options: LegacyImportOptions;
  readonly rawKey: KeyObject;
}

export type LegacyImportRun = Run<z.infer<typeof Input>, z.infer<typeof Facts>, Tools>;

/** Milliseconds between two progress updates of the run: well within its lease. */
const stepMs = 2000;

interface LegacyImportParts extends LegacyPlaceParts {
  readonly database: Database;
  readonly infisical: InfisicalClient;
  readonly catalog: Catalog;
  readonly companies: Companies;
}

/** The subject is the import itself: several can be running. */
export function defineLegacyImport(parts: LegacyImportParts): LegacyImportRun {
  const { catalog } = parts;
  return defineRun(parts.database, {
    kind: "import-legacy",
    title: "Import of old rows",
    concerns: "platform",
    verb: "companies",
    first: "import",
    input: Input,
    facts: Facts,
    cancellable: true,
    phases: {
      import: async (step, { source, options, rawKey }: Tools) => {
        const { caller } = step;
        const place = createPlace(parts, caller, options.dryRun);
        const counts = { ...step.facts };
        let { done } = step.progress;
        let reportedAt = performance.now();
        const reportProgress = async (): Promise<void> => {
          await step.commit(async () => {}, { done, facts: counts });
          reportedAt = performance.now();
        };
        for await (const rows of source) {
          const find = await createFind(parts, caller, { rows, assigned: options.assigned ?? new Map() });
          for (const row of rows) {
            const target = secretKeyOf(catalog, row.secretKey, options.customUnknown);
            const verdict = await importRow({ catalog, rawKey, find, place }, row, target);
            counts[verdict.result]++;
            done++;
            await options.onOutcome({ company: row.company, secretKey: row.secretKey, target, ...verdict });
            if (performance.now() - reportedAt > stepMs) await reportProgress();
          }
          await reportProgress();
        }
        return step.enter({ phase: "done", facts: counts });
      },
    },
  });
}

export function createLegacyImport(
  { database, infisical, operations }: LegacyImportParts,
  legacyImport: LegacyImportRun,
): ImportLegacy {
  return async (caller, source, options) => {
    const asked = { caller, action: "secret.import", verb: "companies", to: "import secrets" } as const;
    await operations.authorize(asked);
    const { dryRun, customUnknown, keyName } = options;
    const rawKey = await readLegacyKey(infisical, keyName);
    const facts = { imported: 0, unchanged: 0, conflict: 0, bad: 0 };
    try {
      const run = await database.acrossCompanies((statements) =>
        legacyImport.startDriven(statements, {
          subject: randomUUID(),
          input: { dryRun, customUnknown },
          facts,
          caller,
        }),
      );
      if (run === undefined) throw new Error("a subject of its own is free");
      await legacyImport.drive(run, { caller, tools: { source, options, rawKey } });
    } catch (error) {
      // The source's own errors are for its caller.
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
  const opened = openLegacyRow(rawKey, catalog, { secretKey, encrypted });
  if (typeof opened === "string") return bad(opened);
  try {
    return await place(destination, secretKey, opened);
  } catch (error) {
    return bad(reasonOf(error));
  } finally {
    opened.plaintext.wipe();
  }
}

/** Errors that affect one secret or company only. @throws all other errors */
function reasonOf(error: unknown): LegacyReason {
  const { code } = asTenantSecretsError(error);
  if (code === "INTEGRITY_FAILURE" || code === "KEY_UNAVAILABLE" || code === "KEY_DESTROYED") return code;
  throw error;
}

type Find = (row: LegacyRow) => Promise<Destination | Unplaced>;
type Unplaced = "UNKNOWN_COMPANY" | "AMBIGUOUS_COMPANY" | "STORE_IS_INFISICAL" | "COMPANY_SUSPENDED";

/**
 * Finds the companies of a batch, each once. A row belongs to the company with its id, if there is one here, whatever its
 * current name: names can pass from one company to another. Otherwise the row's name decides, if only one company has ever had
 * it.
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
      const code = error instanceof TenantSecretsError ? error.code : undefined;
      if (code === "NOT_FOUND") return "UNKNOWN_COMPANY";
      if (code === "COMPANY_SUSPENDED") return code;
      throw error;
    }
  };
  const entered = new Map<string, Promise<Destination | Unplaced>>();
  return async (row) => {
    const names = namesOf(row, assigned);
    const known = names.map(idIn).find((id) => id !== undefined && subdomains.has(id));
    const name = names.find((each) => idIn(each) === undefined);
    // The company was deleted: another company may own its name now.
    const subdomain = known === undefined ? name : subdomains.get(known);
    if (subdomain === undefined) return "UNKNOWN_COMPANY";
    const isAssigned = assigned.has(row.company) || assigned.has(row.companyId ?? "");
    if (known === undefined && !isAssigned && (owners.get(subdomain) ?? 0) > 1) return "AMBIGUOUS_COMPANY";
    const finding = entered.get(subdomain) ?? enter(subdomain);
    entered.set(subdomain, finding);
    return finding;
  };
}

/** The references to a row's company, the most reliable first. */
function namesOf(row: LegacyRow, assigned: ReadonlyMap<string, string>): readonly string[] {
  const given = [row.companyId, row.company].filter((name) => name !== undefined);
  const decided = given.map((name) => assigned.get(name)).find((name) => name !== undefined);
  return decided === undefined ? given : [decided];
}

function idIn(name: string): string | undefined {
  return z.guid().safeParse(name).data?.toLowerCase();
}

/** @returns the subdomain by id; undefined for a deleted company */
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

/** The number of companies that have ever had each subdomain. */
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
