import { and, asc, eq, sql } from "drizzle-orm";
import { type Database, type Statements, tables } from "@repo/db";
import { type CompanyId, systemCaller } from "@repo/catalog";
import { integrityFailure } from "@repo/envelope";
import type { Operations } from "../../access/operation.ts";
import { companyIdOf } from "../../companies/company-id.ts";
import type { MasterKeys } from "../../keys/master/master-keys.ts";
import type { CopiedKeys } from "../copied-keys.ts";
import type { Region, RegionRegistry } from "../registry.ts";
import { requireSigned, selectArrived } from "./arrived.ts";
import { HandedPart, writeHandedRows } from "./handover.ts";
import { takenName } from "./lost-changes.ts";
import { takeOverMs } from "./offer.ts";
import { takeOver } from "./take-over.ts";

const { companies, regionCopies } = tables;

export interface OfferedParts {
  readonly database: Database;
  readonly operations: Operations;
  readonly masterKeys: MasterKeys;
  readonly registry: Pick<RegionRegistry, "find">;
  readonly copiedKeys: Pick<CopiedKeys, "secrets">;
  /** Drops what this process has cached of a company. */
  readonly forget: (companyId: string) => void;
}

/** An offer that has arrived whole: its parts come in one transaction. */
interface ArrivedOffer {
  readonly companyId: CompanyId;
  readonly from: Region;
  readonly homeEpoch: number;
  readonly parts: readonly HandedPart[];
}

/** The one in whose name a region takes over what was offered to it. */
const taker = systemCaller("take-over-company", { verbs: [], secretKeys: [] });

/**
 * Takes over the companies that other regions offer to this one. An offer that is too old is left: its home goes on.
 *
 * @returns the ids of the companies that are at home here now
 * @throws the first error, after the other companies
 */
export async function takeOverOffered(
  parts: OfferedParts,
  signal: AbortSignal,
): Promise<readonly CompanyId[]> {
  const { database, masterKeys } = parts;
  const ids = await database.acrossCompanies((statements) => selectOffered(statements, masterKeys.region));
  const taken: CompanyId[] = [];
  const errors: unknown[] = [];
  for (const companyId of ids) {
    if (signal.aborted) break;
    try {
      if (await takeOverOne(parts, companyId)) taken.push(companyId);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
  return taken;
}

/** Companies with an offer of the home that they have here. */
async function selectOffered(statements: Statements, ownRegion: string): Promise<readonly CompanyId[]> {
  const rows = await statements
    .selectDistinctOn([companies.id], { id: companies.id })
    .from(regionCopies)
    .innerJoin(companies, eq(companies.id, regionCopies.companyId))
    .where(
      and(
        eq(regionCopies.targetRegion, ownRegion),
        eq(regionCopies.kind, "move"),
        // Else it says what was taken from a home that was lost.
        sql`${regionCopies.name} ~ '^[0-9]+$'`,
        eq(regionCopies.homeRegion, companies.homeRegion),
        eq(regionCopies.homeEpoch, companies.homeEpoch),
        eq(companies.status, "active"),
      ),
    )
    .orderBy(asc(companies.id));
  return rows.map(companyIdOf);
}

async function takeOverOne(parts: OfferedParts, companyId: CompanyId): Promise<boolean> {
  const { operations, masterKeys, copiedKeys, forget } = parts;
  const offer = await findOffer(parts, companyId);
  if (offer === undefined) return false;
  const { from, homeEpoch } = offer;
  const keys = await copiedKeys.secrets({ id: companyId, home: { region: from.region, epoch: homeEpoch } });
  try {
    const operation = { caller: taker, action: "company.take-over", company: { id: companyId } } as const;
    await operations.inSteps(operation, (steps) =>
      takeOver(steps, masterKeys, {
        companyId,
        from: from.region,
        homeEpoch,
        keys,
        write: async (statements) => {
          for (const { rows } of offer.parts) await writeHandedRows(statements, companyId, rows);
          await requireInTime(statements, offer);
        },
      }),
    );
    return true;
  } catch (error) {
    if (error instanceof TooLate) return false;
    throw error;
  } finally {
    for (const { secret } of keys) secret.fill(0);
    forget(companyId);
  }
}

/** @returns undefined where it has been taken back, or is of a region that is not known here */
async function findOffer(
  { database, registry, masterKeys }: OfferedParts,
  companyId: CompanyId,
): Promise<ArrivedOffer | undefined> {
  const arrived = await database.acrossCompanies((statements) =>
    selectArrived(statements, masterKeys.region, { companyId, kind: "move" }),
  );
  const copies = arrived.filter(({ name }) => name !== takenName);
  const [first] = copies;
  const from = first && (await registry.find(first.homeRegion));
  if (first === undefined || from === undefined) return undefined;
  const parts = copies.map((copy) => {
    requireSigned(copy, from);
    return HandedPart.parse(JSON.parse(copy.body));
  });
  const numbers = new Set(parts.map(({ part }) => part));
  const isWhole =
    parts.every((part) => part.parts === parts.length) &&
    numbers.size === parts.length &&
    copies.every(({ homeEpoch }) => homeEpoch === first.homeEpoch);
  if (!isWhole) throw integrityFailure();
  return { companyId, from, homeEpoch: first.homeEpoch, parts };
}

/** The home may go on by itself. Nothing is taken over. */
class TooLate extends Error {}

async function requireInTime(statements: Statements, { parts }: ArrivedOffer): Promise<void> {
  const offeredAtMs = parts[0]?.offeredAtMs ?? 0;
  const [now] = await statements.execute<{ late: boolean }>(
    sql`select abs(extract(epoch from clock_timestamp()) * 1000 - ${offeredAtMs}::float8) > ${takeOverMs}::float8 as late`,
  );
  if (now?.late !== false) throw new TooLate();
}
