import { and, eq, isNull, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import { type CompanyId, TenantSecretsError } from "@repo/catalog";
import type { CopiedKey } from "../../access/signed-copies.ts";
import { audited, type Steps } from "../../access/operation.ts";
import { changeCompany } from "../../companies/change-company.ts";
import type { RegionKey } from "../../keys/region-keys.ts";
import type { ChangeRun, RunRow } from "../../runs/lease.ts";
import type { RegionRegistry } from "../registry.ts";
import { copyKeys } from "../renewal-run.ts";
import { findClaim } from "./leave.ts";
import { lockRow } from "./lock-row.ts";
import { tellWhatWasTaken } from "./lost-changes.ts";
import { withdrawMs } from "./offer.ts";

const { companyRegions, runs, storeHolds } = tables;

export interface TakeBack {
  readonly companyId: CompanyId;
  /** The region that the company was being moved to, and that is lost. */
  readonly from: string;
  readonly ownRegion: string;
  readonly registry: RegionRegistry;
  readonly signing: Pick<RegionKey, "privateKey">;
  /** Those of the company. */
  readonly keys: readonly CopiedKey[];
  readonly move: {
    readonly kind: string;
    /** What an unfinished move has offered; undefined for one to another region. */
    readonly offeredAtMs: (row: RunRow, to: string) => number | null | undefined;
    readonly cancel: ChangeRun;
  };
}

/**
 * Ends a move whose other region is lost: in one transaction the offer and the hold of the writes go, and this home goes on under an
 * epoch that fences the other region, whether or not that one had taken the company over.
 *
 * @throws {TenantSecretsError} CONFLICT where no such move is under way, its offer can still be taken, or it was taken
 */
export async function takeBack({ commit }: Pick<Steps, "commit">, asked: TakeBack): Promise<void> {
  const { companyId, from, ownRegion, registry, signing, keys, move } = asked;
  await registry.list();
  await commit(async (transaction) => {
    const { statements, writer, copies } = transaction;
    // The run's row first, as its own steps do.
    const row = await lockMove(statements, move.kind, companyId);
    const offeredAtMs = row && move.offeredAtMs(row, from);
    if (row === undefined || offeredAtMs === undefined)
      throw conflict(`This company is at home here, and is not being moved to ${from}.`);
    await requireOver(statements, offeredAtMs);
    const company = await lockRow(statements, companyId);
    const { homeEpoch } = company;
    if ((await findClaim(statements, { ownRegion, registry }, { id: companyId, homeEpoch })) !== undefined)
      throw conflict(`${from} has taken the company over: its run leaves by itself.`);
    await statements.execute(sql`select withdraw_move(${companyId})`);
    await statements
      .delete(storeHolds)
      .where(and(eq(storeHolds.companyId, companyId), eq(storeHolds.run, row.id)));
    await move.cancel(statements, row);
    const ofRegion = { companyId, region: from };
    await statements
      .delete(companyRegions)
      .where(and(eq(companyRegions.companyId, companyId), eq(companyRegions.region, from)));
    // The other region may have taken the next epoch, and its word be lost: this home takes the one after it.
    const next = await changeCompany(transaction, company, { homeEpoch: homeEpoch + 1 });
    const changed = await changeCompany(transaction, next, { homeEpoch: homeEpoch + 2 });
    await statements.execute(sql`select claim_home(${companyId})`);
    const beside = await writer.seal({ kind: "company-region", ...ofRegion });
    await statements.insert(companyRegions).values({ ...ofRegion, ...beside });
    await copies.company(changed);
    if (!(await copyKeys({ statements, copies }, { companyId, secrets: keys }, { region: from })))
      throw conflict("A key of this company was just replaced: try again.");
    const told = { companyId, from: ownRegion, homeEpoch: changed.homeEpoch, to: from, revisions: {} };
    await tellWhatWasTaken(statements, told, signing);
    return audited(undefined, [
      { subject: from, version: next.revision },
      { subject: from, version: changed.revision },
      { action: "company.add-region", subject: from, version: beside.revision },
    ]);
  });
}

async function lockMove(statements: Statements, kind: string, subject: string): Promise<RunRow | undefined> {
  const [row] = await statements
    .select()
    .from(runs)
    .where(and(eq(runs.kind, kind), eq(runs.subject, subject), isNull(runs.finishedAt)))
    .for("update");
  return row;
}

/** @param offeredAtMs null before it was offered */
async function requireOver(statements: Statements, offeredAtMs: number | null): Promise<void> {
  if (offeredAtMs === null) return;
  const [clock] = await statements.execute<{ left: number }>(
    sql`select ceil(${(offeredAtMs + withdrawMs) / 1000}::float8 - extract(epoch from clock_timestamp()))::float8 as left`,
  );
  if (clock === undefined || clock.left > 0)
    throw conflict(`The move can still come to its end by itself: wait for ${clock?.left ?? 0} s.`);
}

function conflict(sentence: string): TenantSecretsError {
  return new TenantSecretsError("CONFLICT", sentence);
}
