import { randomUUID } from "node:crypto";
import { and, asc, count, eq, gt, inArray, isNull, ne } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import {
  type Caller,
  type Catalog,
  type CompanyMigration,
  CompanyMigrationResult,
  type CompanyStore,
  type CompanyStoresQuery,
  type MigrationCompaniesQuery,
  type MigrationRequest,
  type MigrationVerb,
  notFound,
  type SecretStoreName,
  Subdomain,
  TenantSecretsError,
} from "@repo/catalog";
import { audited, type Operations } from "../access/operation.ts";
import { requireHome } from "../companies/change-company.ts";
import type { Lease, RunRow } from "../runs/lease.ts";
import { selectLeft } from "./cleanup.ts";
import { selectStores } from "./company-stores.ts";
import { refuseExternal } from "../keys/external/refuse-external.ts";
import { refuseCopied } from "./copied-companies.ts";
import { MigrationInput } from "./migration-input.ts";
import type { MigrationFacts, MigrationRun } from "./migration-run.ts";
import type { NewRun } from "../runs/run.ts";
import type { SignedMigrationReport } from "./report.ts";

const { companies, migrationCompanies, runs } = tables;

/** Moving companies between Infisical and the database, for operators. */
export interface Migrations {
  /**
   * Begins a migration, which a job continues.
   *
   * @returns the id of its run
   * @throws {TenantSecretsError} FORBIDDEN; NOT_FOUND, with the name of a company that does not exist; INVALID_INPUT if there is
   *   no company; CONFLICT while another migration that changes something is unfinished
   */
  begin(caller: Caller, request: MigrationRequest): Promise<string>;
  /** As `begin`, with the lease for this process, which drives the run itself. */
  beginHere(caller: Caller, request: MigrationRequest): Promise<RunRow & Lease>;
  /** @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND */
  companies(caller: Caller, query: MigrationCompaniesQuery): Promise<MigrationPage>;
  /** @throws {TenantSecretsError} FORBIDDEN; NOT_FOUND for a company that is named and does not exist */
  status(caller: Caller, query: CompanyStoresQuery): Promise<readonly CompanyStore[]>;
  /** @returns undefined where the migration is not finished @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND */
  findReport(caller: Caller, run: string): Promise<SignedMigrationReport | undefined>;
  /** For processes that drive a run themselves. */
  readonly run: MigrationRun;
}

export interface MigrationPage {
  readonly verb: MigrationVerb;
  /** Of a plan: what was planned. */
  readonly before?: MigrationInput["before"] | undefined;
  /** Of a switch or a rollback: the store that companies were to have. */
  readonly to?: SecretStoreName | undefined;
  readonly companies: readonly CompanyMigration[];
  readonly counts: Readonly<Record<CompanyMigration["state"], number>>;
  /** Names of folders in /tenants that belong to no company, as far as this migration looked. */
  readonly foldersWithoutCompany: readonly string[];
}

type NewMigration = NewRun<MigrationInput, MigrationFacts>;

const toMigrate = { verb: "companies", to: "migrate companies" } as const;
/** The subject of migrations that change something: one of them is unfinished at a time. */
const changes = "changes";

const defaults = {
  takeNewest: false,
  before: "switch",
  to: "hybrid",
  leave: [],
  acceptLosses: false,
} as const;

interface Parts {
  readonly operations: Operations;
  readonly run: MigrationRun;
  readonly catalog: Catalog;
  readonly ownRegion: string;
}

export function createMigrations({ operations, run, catalog, ownRegion }: Parts): Migrations {
  const start = (
    caller: Caller,
    request: MigrationRequest,
    add: (statements: Statements, run: NewMigration) => Promise<RunRow | undefined>,
  ): Promise<RunRow> => {
    const { verb } = request;
    return operations.change(
      { caller, action: `migration.${verb}`, ...toMigrate },
      async ({ statements }) => {
        const ids = await selectCompanies(statements, request, ownRegion);
        // Of all companies, those that are copied fail by themselves.
        if (verb === "rollback" && request.companies !== "all") {
          await refuseCopied(statements, ids);
          await refuseExternal(statements, ids, "brought to its folder in Infisical");
        }
        const changesNothing = verb === "plan" || verb === "verify";
        const row = await add(statements, {
          subject: changesNothing ? randomUUID() : changes,
          input: storedInput(request),
          facts: { foldersWithoutCompany: [], failuresInRow: 0 },
          caller,
          total: ids.length,
        });
        if (row === undefined) throw unfinished();
        await statements
          .insert(migrationCompanies)
          .values(ids.map((companyId) => ({ runId: row.id, companyId })));
        return audited(row, { subject: row.id });
      },
    );
  };

  const findRun = async (statements: Statements, id: string): Promise<RunRow> => {
    const [row] = await statements
      .select()
      .from(runs)
      .where(and(eq(runs.id, id), eq(runs.kind, run.kind)));
    if (row === undefined) throw notFound();
    return row;
  };

  return {
    run,
    begin: async (caller, request) => {
      const { id } = await start(caller, request, async (statements, wanted) => {
        const row = await run.start(statements, wanted);
        if (row !== undefined) await run.enqueue(statements, row);
        return row;
      });
      return id;
    },
    beginHere: async (caller, request) => {
      let lease: Lease | undefined;
      const row = await start(caller, request, async (statements, wanted) => {
        const driven = await run.startDriven(statements, wanted);
        lease = driven;
        return driven;
      });
      if (lease === undefined) throw new Error("a run that was started to be driven has a lease");
      return { ...row, holder: lease.holder, token: lease.token };
    },
    companies: (caller, query) =>
      operations.read(
        { caller, action: "migration.list", subject: query.run, ...toMigrate },
        async (across) => {
          const page = await across(async (statements) => {
            const row = await findRun(statements, query.run);
            const { verb, before, to } = MigrationInput.parse(row.input);
            const { foldersWithoutCompany } = run.factsOf(row);
            const found = await selectPage(statements, query);
            return {
              verb,
              before: verb === "plan" ? before : undefined,
              to: verb === "switch" || verb === "rollback" ? to : undefined,
              companies: found,
              counts: await selectCounts(statements, query.run),
              foldersWithoutCompany,
            };
          });
          return audited(page, {});
        },
      ),
    status: (caller, query) =>
      operations.read({ caller, action: "migration.status", ...toMigrate }, async (across) =>
        audited(await across((statements) => selectStores(statements, query, catalog)), {}),
      ),
    findReport: (caller, id) =>
      operations.read({ caller, action: "migration.report", subject: id, ...toMigrate }, async (across) => {
        const { report, reportMac } = await across((statements) => findRun(statements, id));
        const signed = report === null || reportMac === null ? undefined : { report, signature: reportMac };
        return audited(signed, {});
      }),
  };
}

function storedInput(request: MigrationRequest): MigrationInput {
  const { companies: _, verb, ...options } = request;
  const { ratePerMinute, takeNewest, before, to, leave, acceptLosses } = { ...defaults, ...options };
  return { verb, ratePerMinute, takeNewest, before, to, leave: [...leave], acceptLosses };
}

/** The companies of a new migration, by their ids. */
async function selectCompanies(
  statements: Statements,
  request: MigrationRequest,
  ownRegion: string,
): Promise<readonly string[]> {
  const named =
    request.companies === "all" ? undefined : await idsOf(statements, request.companies, ownRegion);
  const ids =
    request.verb === "cleanup"
      ? (await selectLeft(statements, request.afterDays)).filter((id) => named?.has(id) ?? true)
      : [...(named ?? (await selectAll(statements, request, ownRegion)))];
  if (request.verb === "cleanup" && ids.length !== request.folders) throw otherNumber(ids.length);
  if (ids.length === 0) throw none();
  if (ids.length > maxCompanies) throw tooMany();
  return ids;
}

/** All that are at home here. */
async function selectAll(
  statements: Statements,
  request: MigrationRequest,
  ownRegion: string,
): Promise<readonly string[]> {
  const rows = await statements
    .select({ id: companies.id })
    .from(companies)
    .where(and(eq(companies.status, "active"), eq(companies.homeRegion, ownRegion), isOfVerb(request)))
    .orderBy(asc(companies.id));
  return rows.map(({ id }) => id);
}

/** A report has a place for each, and a page of the admin app as well. */
const maxCompanies = 10_000;

/** Of all companies, those that a verb is about. */
function isOfVerb(request: MigrationRequest) {
  switch (request.verb) {
    case "switch":
      return request.to === "database"
        ? ne(companies.secretStore, "database")
        : eq(companies.secretStore, "infisical");
    case "copy":
      return eq(companies.secretStore, "infisical");
    case "rollback":
      return request.to === "hybrid"
        ? eq(companies.secretStore, "database")
        : ne(companies.secretStore, "infisical");
    case "plan":
    case "verify":
    case "cleanup":
      return undefined;
  }
}

/** @throws {TenantSecretsError} NOT_FOUND; WRONG_REGION for one that is at home elsewhere */
async function idsOf(
  statements: Statements,
  subdomains: readonly string[],
  ownRegion: string,
): Promise<ReadonlySet<string>> {
  const wanted = [...new Set(subdomains)];
  const wellFormed = wanted.filter((subdomain) => Subdomain.safeParse(subdomain).success);
  const rows =
    wellFormed.length === 0
      ? []
      : await statements
          .select({ id: companies.id, subdomain: companies.subdomain, homeRegion: companies.homeRegion })
          .from(companies)
          .where(and(inArray(companies.subdomain, wellFormed), isNull(companies.deletedAt)));
  const found = new Map(rows.map(({ id, subdomain }) => [subdomain, id]));
  const missing = wanted.find((subdomain) => !found.has(subdomain));
  if (missing !== undefined) throw unknownCompany(missing);
  for (const row of rows) requireHome(row, ownRegion);
  return new Set(found.values());
}

async function selectPage(
  statements: Statements,
  { run, after, state, limit }: MigrationCompaniesQuery,
): Promise<readonly CompanyMigration[]> {
  const found = await statements
    .select({ row: migrationCompanies, subdomain: companies.subdomain })
    .from(migrationCompanies)
    .innerJoin(companies, eq(companies.id, migrationCompanies.companyId))
    .where(
      and(
        eq(migrationCompanies.runId, run),
        after === undefined ? undefined : gt(migrationCompanies.companyId, after),
        state === undefined ? undefined : eq(migrationCompanies.state, state),
      ),
    )
    .orderBy(asc(migrationCompanies.companyId))
    .limit(limit);
  return found.map(({ row, subdomain }) => ({
    company: { id: row.companyId, subdomain },
    state: row.state,
    attempts: row.attempts,
    notBefore: row.notBefore ?? undefined,
    error:
      row.errorCode === null || row.errorMessage === null
        ? undefined
        : { code: row.errorCode, message: row.errorMessage },
    result: row.result === null ? undefined : CompanyMigrationResult.parse(row.result),
    finishedAt: row.finishedAt ?? undefined,
  }));
}

async function selectCounts(statements: Statements, run: string): Promise<MigrationPage["counts"]> {
  const rows = await statements
    .select({ state: migrationCompanies.state, count: count() })
    .from(migrationCompanies)
    .where(eq(migrationCompanies.runId, run))
    .groupBy(migrationCompanies.state);
  const of = (state: CompanyMigration["state"]) => rows.find((row) => row.state === state)?.count ?? 0;
  return { waiting: of("waiting"), done: of("done"), blocked: of("blocked"), failed: of("failed") };
}

function unfinished(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    'Another migration is not finished: see "runs list --unfinished". It has to end or be cancelled first.',
  );
}

function unknownCompany(subdomain: string): TenantSecretsError {
  const shown = Subdomain.safeParse(subdomain).success ? `"${subdomain}"` : "of one of the given names";
  return new TenantSecretsError("NOT_FOUND", `There is no company ${shown}. Nothing was begun.`);
}

function otherNumber(found: number): TenantSecretsError {
  return new TenantSecretsError(
    "INVALID_INPUT",
    `There are ${found} companies whose copies are old enough to be removed, which is not the number given. Nothing was begun.`,
  );
}

function none(): TenantSecretsError {
  return new TenantSecretsError("INVALID_INPUT", "There is no such company to migrate. Nothing was begun.");
}

function tooMany(): TenantSecretsError {
  return new TenantSecretsError("INVALID_INPUT", `A migration has at most ${maxCompanies} companies.`);
}
