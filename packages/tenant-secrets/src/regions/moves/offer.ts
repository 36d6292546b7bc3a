import { and, eq, inArray, isNull, ne, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import { type CompanyId, TenantSecretsError } from "@repo/catalog";
import { signCopy } from "@repo/envelope";
import { lockCompany, StoreHeld } from "../../companies/company-lock.ts";
import type { RegionKey } from "../../keys/region-keys.ts";
import { type HandedPart, readHandedRows } from "./handover.ts";

const { companies, companyKeys, companyRegions, regionCopies, runs, storeHolds } = tables;

/** How long after it was offered a company can be taken over, in milliseconds, by the other region's clock. */
export const takeOverMs = 60_000;
/**
 * The home goes on once a beat of the other region has arrived that was made so many milliseconds after the offer, by the same clock as
 * above. What arrives keeps the order in which it was committed, and no transaction lasts for the time between the two: a
 * region that had taken the company over would have said so before that beat.
 */
export const withdrawMs = 180_000;
/** Of the other region, in milliseconds: later than that, nothing would tell that it has taken the company over. */
const latestBeatMs = 30_000;

export interface Offer {
  readonly companyId: CompanyId;
  /** Of this region, the home. */
  readonly from: string;
  readonly to: string;
  /** The run that moves the company. */
  readonly run: string;
}

interface Offered {
  /** The epoch of this home: the next one has one more. */
  readonly homeEpoch: number;
  /** By the database's clock, in milliseconds of Unix time. */
  readonly offeredAtMs: number;
}

/**
 * Holds the writes of a company, and offers all that only its home has of it to another region, as signed copies. Nothing is written
 * between the two: the offer has all that was acknowledged.
 *
 * @param signing the key of this region's copies
 * @throws {TenantSecretsError} CONFLICT for what does not travel; STORE_UNAVAILABLE while another run holds the writes
 */
export async function offerCompany(
  statements: Statements,
  offer: Offer,
  signing: Pick<RegionKey, "privateKey">,
): Promise<Offered> {
  const { companyId, from, to, run } = offer;
  await lockCompany(statements, companyId);
  const homeEpoch = await requireMovable(statements, offer);
  const [now] = await statements.execute<{ ms: number }>(
    sql`select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`,
  );
  const offeredAtMs = now?.ms ?? 0;
  // No clock ends it: a region that was cut off may be the home by then.
  const until = sql`clock_timestamp() + interval '10 years'`;
  const [hold] = await statements
    .insert(storeHolds)
    .values({ companyId, run, until })
    .onConflictDoUpdate({
      target: storeHolds.companyId,
      set: { run, until },
      setWhere: sql`${storeHolds.until} < clock_timestamp() or ${storeHolds.run} = ${run}`,
    })
    .returning();
  if (hold === undefined) throw new StoreHeld();
  const handed = await readHandedRows(statements, companyId);
  const revisions = await statements.execute<{ revision: string }>(
    sql`select nextval('copy_revisions')::text as revision from generate_series(1, ${handed.length})`,
  );
  for (const [i, rows] of handed.entries()) {
    const part: HandedPart = { format: 1, part: i + 1, parts: handed.length, offeredAtMs, rows };
    const copy = {
      targetRegion: to,
      companyId,
      kind: "move",
      name: String(part.part),
      homeRegion: from,
      homeEpoch,
      revision: revisions[i]?.revision ?? "",
      body: JSON.stringify(part),
    } as const;
    const signature = signCopy(signing.privateKey, copy);
    await statements.insert(regionCopies).values({ ...copy, revision: BigInt(copy.revision), signature });
  }
  return { homeEpoch, offeredAtMs };
}

/**
 * @returns the epoch of this home
 * @throws {TenantSecretsError} CONFLICT
 */
export async function requireMovable(
  statements: Statements,
  { companyId, from, to, run }: Omit<Offer, "run"> & { readonly run?: string },
): Promise<number> {
  const [row] = await statements.select().from(companies).where(eq(companies.id, companyId));
  if (row?.homeRegion !== from) throw conflict("This company is not at home here.");
  if (row.status !== "active") throw conflict("A suspended company is not moved: resume it first.");
  if (row.secretStore !== "database")
    throw conflict("Only secrets in the database move between regions: migrate the company first.");
  const regions = await statements
    .select({ region: companyRegions.region })
    .from(companyRegions)
    .where(eq(companyRegions.companyId, companyId));
  if (!regions.some(({ region }) => region === to))
    throw conflict(`The company is not copied to ${to}: add that region first, and let the copies arrive.`);
  const others = regions.filter(({ region }) => region !== to).map(({ region }) => region);
  if (others.length > 0)
    throw conflict(
      `The company is copied to ${others.join(", ")} as well: take those regions first, and add them again at the new home.`,
    );
  const beats = await statements.execute(
    sql`select 1 from region_beats where target_region = ${from} and home_region = ${to}
      and beat_at > clock_timestamp() - make_interval(secs => ${latestBeatMs / 1000})`,
  );
  if (beats.length === 0)
    throw conflict(`Nothing has arrived here from ${to}: let the copies of its companies come here first.`);
  const keys = await statements
    .select({ status: companyKeys.status })
    .from(companyKeys)
    .where(and(eq(companyKeys.companyId, companyId), ne(companyKeys.status, "destroyed")));
  if (keys.length > 1) throw conflict("A rotation of this company's key is not finished: wait for its end.");
  const unfinished = await statements
    .select({ kind: runs.kind })
    .from(runs)
    .where(
      and(
        sql`split_part(${runs.subject}, ' ', 1) = ${companyId}`,
        isNull(runs.finishedAt),
        run === undefined ? undefined : ne(runs.id, run),
        inArray(runs.kind, ["rotate-secret", "rotate-company-key", "import-legacy"]),
      ),
    );
  if (unfinished.length > 0)
    throw conflict(
      `Runs of this company are not finished (${[...new Set(unfinished.map(({ kind }) => kind))].join(", ")}): wait for their end, or cancel them.`,
    );
  return row.homeEpoch;
}

function conflict(sentence: string): TenantSecretsError {
  return new TenantSecretsError("CONFLICT", sentence);
}

/** Whether the other region can no longer take over what was offered, and has not. */
export async function isNotTaken(
  statements: Statements,
  { from, to, offeredAtMs }: Pick<Offer, "from" | "to"> & Pick<Offered, "offeredAtMs">,
): Promise<boolean> {
  const beats = await statements.execute(
    sql`select 1 from region_beats where target_region = ${from} and home_region = ${to}
      and beat_at > to_timestamp(${(offeredAtMs + withdrawMs) / 1000}::float8)`,
  );
  return beats.length > 0;
}
