import { eq, sql } from "drizzle-orm";
import { asTenantSecretsError, type SigningKey } from "@repo/audit-log";
import { systemCaller, TenantSecretsError } from "@repo/catalog";
import { type Database, DatabaseError, tables } from "@repo/db";
import { isSignedCopy } from "@repo/envelope";
import type { RaiseAlarm } from "../access/alarms.ts";
import { audited, type Audited, type Operations, type Transaction } from "../access/operation.ts";
import { lockCompany } from "../companies/company-lock.ts";
import { companyIdOf } from "../companies/company-id.ts";
import { type Arrival, isComplete, selectArrivals } from "./arrivals.ts";
import { type CompanyCopy, parseCompanyCopy } from "./company-copy.ts";
import { forgetCompany } from "./forget-company.ts";
import { keepReceipt } from "./receipts.ts";
import type { RegionRegistry } from "./registry.ts";

const { companies } = tables;

/**
 * The rows that this region has of companies that are at home elsewhere. API keys, members and events need one. It says what the
 * signed copy of the company says, is suspended while that copy is not here, and goes with the last copy.
 */
export interface Adoption {
  /** Brings the row of one company to what its copies say. Does nothing for a company that no other region has sent anything of. */
  adopt(companyId: string): Promise<void>;
  /** As `adopt`, of all of them: for what no notification told of. */
  sweep(signal: AbortSignal): Promise<void>;
}

interface Parts {
  readonly database: Database;
  readonly operations: Operations;
  readonly registry: Pick<RegionRegistry, "find">;
  readonly loadSigningKey: () => Promise<SigningKey>;
  readonly ownRegion: string;
  readonly onAlarm: RaiseAlarm;
}

type Work = (transaction: Transaction, arrival: Arrival) => Promise<Audited<void>>;

const adopter = systemCaller("regions", { verbs: [], secretKeys: [] });
const pageSize = 500;
const firstId = "00000000-0000-0000-0000-000000000000";

export function createAdoption(parts: Parts): Adoption {
  const { database, operations, registry, loadSigningKey, ownRegion, onAlarm } = parts;

  /** What the home has signed of the company. @returns undefined, with an alarm, for anything else */
  const readCopy = async ({ companyId, homeRegion, homeEpoch, copy }: Arrival) => {
    const region = await registry.find(homeRegion);
    const isOfHome = copy?.homeRegion === homeRegion && copy.homeEpoch === homeEpoch;
    // What an earlier home has left here is about to be replaced.
    if (copy === null || !isOfHome) return undefined;
    const state = { ...copy, revision: String(copy.revision) };
    const isSigned =
      region !== undefined &&
      copy.signature !== null &&
      isSignedCopy(region.signingKey, state, copy.signature);
    const body = isSigned ? parseCompanyCopy(copy.body) : undefined;
    if (body === undefined) onAlarm(notOfHome(companyId, homeRegion));
    return body;
  };

  /** Does the work if nothing has changed since the arrival was looked at: another notification follows then. */
  const inCompany = (seen: Arrival, work: Work): Promise<void> =>
    operations
      .steps({
        caller: adopter,
        action: "company.adopt",
        company: { id: companyIdOf({ id: seen.companyId }) },
      })
      .commit(async (transaction) => {
        const { statements } = transaction;
        await lockCompany(statements, seen.companyId);
        const [now] = await selectArrivals(statements, ownRegion, { companyIds: [seen.companyId] });
        return now === undefined || !isSame(seen, now) ? audited(undefined, []) : work(transaction, now);
      });

  const bring = async (arrival: Arrival): Promise<void> => {
    const { row, copy, hasOthers, homeRegion } = arrival;
    // At home here, or it was: the move of a home is no adoption.
    if (row !== null && row.homeRegion === ownRegion) return;
    if (copy !== null) {
      const body = await readCopy(arrival);
      if (body === undefined || (row !== null && saysTheSame(row, arrival, body))) return;
      await inCompany(arrival, row === null ? make(body) : change(body));
    } else if (row === null) return;
    else if (hasOthers) {
      if (row.status === "active") await inCompany(arrival, suspend);
    } else {
      const complete = await database.acrossCompanies((statements) =>
        isComplete(statements, ownRegion, homeRegion),
      );
      if (arrival.isWithdrawn || complete)
        await inCompany(arrival, forget(await loadSigningKey(), ownRegion));
    }
  };

  /** One company's failure is no other's. */
  const bringEach = async (arrivals: readonly Arrival[]): Promise<void> => {
    for (const arrival of arrivals) {
      try {
        await bring(arrival);
      } catch (thrown) {
        const error = asTenantSecretsError(thrown);
        if (error.code === "DATABASE_UNAVAILABLE" || error.code === "AUDIT_UNAVAILABLE") throw error;
        onAlarm(isTaken(thrown) ? subdomainTaken(arrival) : notAdopted(arrival.companyId, error));
      }
    }
  };

  /** @returns where the next page begins; undefined after the last */
  const sweepPage = async (after: string): Promise<string | undefined> => {
    const page = { after, limit: pageSize };
    const arrivals = await database.acrossCompanies((statements) =>
      selectArrivals(statements, ownRegion, page),
    );
    await bringEach(arrivals);
    return arrivals.length === pageSize ? arrivals.at(-1)?.companyId : undefined;
  };

  return {
    adopt: async (companyId) => {
      const which = { companyIds: [companyId] };
      await bringEach(
        await database.acrossCompanies((statements) => selectArrivals(statements, ownRegion, which)),
      );
    },
    sweep: async (signal) => {
      let after: string | undefined = firstId;
      while (after !== undefined && !signal.aborted) after = await sweepPage(after);
    },
  };
}

function isSame(a: Arrival, b: Arrival): boolean {
  return (
    a.copy?.revision === b.copy?.revision &&
    a.copy?.body === b.copy?.body &&
    a.homeEpoch === b.homeEpoch &&
    a.hasOthers === b.hasOthers &&
    a.row?.revision === b.row?.revision
  );
}

function stateOf({ homeRegion, homeEpoch }: Arrival, body: CompanyCopy) {
  const { subdomain, secondFactorRequired, recoveryDays } = body;
  return { subdomain, secondFactorRequired, recoveryDays, homeRegion, homeEpoch, status: "active" } as const;
}

function saysTheSame(row: NonNullable<Arrival["row"]>, arrival: Arrival, body: CompanyCopy): boolean {
  return Object.entries(stateOf(arrival, body)).every(([field, value]) => Reflect.get(row, field) === value);
}

function make(body: CompanyCopy): Work {
  return async ({ statements, writer }, arrival) => {
    const company = {
      id: arrival.companyId,
      ...stateOf(arrival, body),
      // A folder is named once and for ever, and the company has none here.
      infisicalFolder: arrival.companyId,
      secretStore: "database",
      storeEpoch: 1,
    } as const;
    const beside = await writer.seal({ kind: "company", ...company });
    await statements.insert(companies).values({ ...company, ...beside });
    return audited(undefined, { version: beside.revision });
  };
}

function change(body: CompanyCopy): Work {
  return async (transaction, arrival) => {
    const { statements } = transaction;
    const { row, homeEpoch, homeRegion } = arrival;
    if (row === null) throw new Error("a row that was just seen is there");
    const { writer } = transaction;
    writer.require({ kind: "company", ...row }, row);
    // Each epoch is one later, whatever this region has missed of them.
    for (let epoch = row.homeEpoch + 1; epoch <= homeEpoch; epoch++)
      await statements
        .update(companies)
        .set({ homeRegion, homeEpoch: epoch })
        .where(eq(companies.id, row.id));
    return changeRow(transaction, row, stateOf(arrival, body));
  };
}

const suspend: Work = async ({ statements, writer }, { row }) => {
  if (row === null) throw new Error("a row that was just seen is there");
  writer.require({ kind: "company", ...row }, row);
  return changeRow({ statements, writer }, row, { status: "suspended" });
};

async function changeRow(
  { statements, writer }: Pick<Transaction, "statements" | "writer">,
  row: NonNullable<Arrival["row"]>,
  to: Partial<ReturnType<typeof stateOf>> | { readonly status: "suspended" },
): Promise<Audited<void>> {
  const beside = await writer.seal({ kind: "company", ...row, ...to });
  await statements
    .update(companies)
    .set({ ...to, ...beside, updatedAt: sql`now()` })
    .where(eq(companies.id, row.id));
  return audited(undefined, { version: beside.revision });
}

function forget(key: SigningKey, region: string): Work {
  return async (transaction, { row, companyId, homeRegion, homeEpoch }) => {
    if (row === null) throw new Error("a row that was just seen is there");
    const { deleted, goneAt, events } = await forgetCompany(transaction, companyId);
    const since = row.createdAt.toISOString();
    const facts = { region, companyId, homeRegion, homeEpoch, since, goneAt: goneAt.toISOString(), deleted };
    await keepReceipt(transaction.statements, facts, key);
    return audited(undefined, [...events, { action: "company.forget" }]);
  };
}

function notOfHome(companyId: string, homeRegion: string): TenantSecretsError {
  return new TenantSecretsError(
    "INTEGRITY_FAILURE",
    `The copy of company ${companyId} was not signed by its home, region ${homeRegion}, as that region is known here: its row is left as it is. Look for who writes to this database, and at "secrets regions list".`,
  );
}

/** Whether another company has the subdomain here. It is not taken from it. */
function isTaken(error: unknown): boolean {
  return error instanceof DatabaseError && error.constraint === "companies_subdomain_key";
}

function subdomainTaken({ companyId, homeRegion }: Arrival): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    `Company ${companyId} of region ${homeRegion} does not have its subdomain here, which another company has: rename one of them.`,
  );
}

function notAdopted(companyId: string, { code, message }: TenantSecretsError): TenantSecretsError {
  return new TenantSecretsError(
    code,
    `The row of company ${companyId}, which is at home elsewhere, does not follow its copies: ${message}`,
  );
}
