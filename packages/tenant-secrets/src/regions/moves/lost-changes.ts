import { and, asc, eq, sql } from "drizzle-orm";
import { type Database, type Statements, tables } from "@repo/db";
import { type CompanyId, type LeftHome, TenantSecretsError } from "@repo/catalog";
import { signCopy } from "@repo/envelope";
import { z } from "zod";
import type { RegionKey } from "../../keys/region-keys.ts";
import type { RegionRegistry } from "../registry.ts";
import { requireSigned, selectArrived } from "./arrived.ts";

const { regionCopies } = tables;

/** The name of the copy of kind "move" with which a region says what it had when it took a company over from a lost home. */
export const takenName = "taken";

const Taken = z.object({ format: z.literal(1), revisions: z.record(z.string(), z.string()) });

interface Telling {
  readonly companyId: CompanyId;
  /** The new home, this region, and its epoch. */
  readonly from: string;
  readonly homeEpoch: number;
  /** The lost one. */
  readonly to: string;
  /** The latest state of each secret that had arrived, by its revision at the lost home. */
  readonly revisions: Readonly<Record<string, string>>;
}

/** Tells the lost home what had arrived from it, in the transaction that takes the company over. */
export async function tellWhatWasTaken(
  statements: Statements,
  { companyId, from, homeEpoch, to, revisions }: Telling,
  signing: Pick<RegionKey, "privateKey">,
): Promise<void> {
  const [next] = await statements.execute<{ revision: string }>(
    sql`select nextval('copy_revisions')::text as revision`,
  );
  const copy = {
    targetRegion: to,
    companyId,
    kind: "move",
    name: takenName,
    homeRegion: from,
    homeEpoch,
    revision: next?.revision ?? "",
    body: JSON.stringify({ format: 1, revisions } satisfies z.infer<typeof Taken>),
  } as const;
  const signature = signCopy(signing.privateKey, copy);
  await statements.insert(regionCopies).values({ ...copy, revision: BigInt(copy.revision), signature });
}

/**
 * What this region has changed as the home of a company, and the one that took it over has not got, by secret key.
 *
 * @throws {TenantSecretsError} CONFLICT where that one's word has not arrived; INTEGRITY_FAILURE where it did not sign it
 */
export async function findLostChanges(
  { database, registry, ownRegion }: Dependencies,
  { companyId, home }: { readonly companyId: CompanyId; readonly home: string },
): Promise<LeftHome["lost"]> {
  const region = await registry.find(home);
  const { told, sent } = await database.acrossCompanies(async (statements) => ({
    told: await selectArrived(statements, ownRegion, { companyId, kind: "move" }),
    sent: await selectSent(statements, companyId, home),
  }));
  const taken = told.find(({ name, homeRegion }) => name === takenName && homeRegion === home);
  if (taken === undefined || region === undefined)
    throw new TenantSecretsError(
      "CONFLICT",
      `What ${home} has of this company has not arrived here yet: try again once its copies come.`,
    );
  requireSigned(taken, region);
  return compare(Taken.parse(JSON.parse(taken.body)).revisions, sent);
}

interface Dependencies {
  readonly database: Database;
  readonly registry: Pick<RegionRegistry, "find">;
  readonly ownRegion: string;
}

/** The latest state of each secret for another region, by its revision. */
async function selectSent(
  statements: Statements,
  companyId: CompanyId,
  to: string,
): Promise<ReadonlyMap<string, string>> {
  const rows = await statements
    .select({ name: regionCopies.name, revision: sql<string>`${regionCopies.revision}::text` })
    .from(regionCopies)
    .where(
      and(
        eq(regionCopies.targetRegion, to),
        eq(regionCopies.companyId, companyId),
        eq(regionCopies.kind, "secret"),
      ),
    )
    .orderBy(asc(regionCopies.name));
  return new Map(rows.map(({ name, revision }) => [name, revision]));
}

function compare(
  taken: Readonly<Record<string, string>>,
  sent: ReadonlyMap<string, string>,
): LeftHome["lost"] {
  const had = new Map(Object.entries(taken));
  const written = [...sent].filter(([name, revision]) => BigInt(revision) > BigInt(had.get(name) ?? "0"));
  const removed = [...had.keys()].filter((name) => !sent.has(name));
  return [
    ...written.map(([secretKey]) => ({ secretKey, change: "written" as const })),
    ...removed.map((secretKey) => ({ secretKey, change: "removed" as const })),
  ].toSorted((one, other) => one.secretKey.localeCompare(other.secretKey));
}
