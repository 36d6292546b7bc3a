import { asc, isNull } from "drizzle-orm";
import { regionState } from "@repo/audit-log";
import { tables, type Database } from "@repo/db";
import { fromBase64url, type RegionIdentity } from "@repo/envelope";
import type { AuthenticRows } from "../access/authentic-rows.ts";

/** Another region, as an operator made it known here. */
export interface Region extends RegionIdentity {
  /** The origin of its API, where writes of companies at home there go. */
  readonly address: string;
  /** Of its row: a transaction that relies on what was read before it compares this. */
  readonly revision: number;
}

/**
 * The other regions that an operator of this one made known. A row without a valid MAC is ignored, with an alarm, as is one that
 * was removed. Rows are cached for {@link regionsTtlMs}, and until a notification says that one changed.
 */
export interface RegionRegistry {
  /** @throws {TenantSecretsError} DATABASE_UNAVAILABLE, and the errors of loading the keys of rows */
  find(region: string): Promise<Region | undefined>;
  /** By name. @throws as `find` */
  list(): Promise<readonly Region[]>;
  /** Reads the rows again at the next use. */
  invalidate(): void;
}

/** The cost of a lost notification, in milliseconds. */
const regionsTtlMs = 5000;

export function createRegionRegistry(
  database: Database,
  authentic: Pick<AuthenticRows, "accepts">,
): RegionRegistry {
  let held: { readonly until: number; readonly regions: Promise<ReadonlyMap<string, Region>> } | undefined;

  const load = async (): Promise<ReadonlyMap<string, Region>> => {
    const rows = await database.acrossCompanies((statements) =>
      statements
        .select()
        .from(tables.regions)
        .where(isNull(tables.regions.removedAt))
        .orderBy(asc(tables.regions.region)),
    );
    const regions = new Map<string, Region>();
    for (const row of rows)
      if (await authentic.accepts(regionState(row), row)) regions.set(row.region, withKeyBytes(row));
    return regions;
  };

  const current = (): Promise<ReadonlyMap<string, Region>> => {
    if (held !== undefined && performance.now() < held.until) return held.regions;
    const loading = { until: performance.now() + regionsTtlMs, regions: load() };
    held = loading;
    loading.regions.catch(() => {
      if (held === loading) held = undefined;
    });
    return loading.regions;
  };

  return {
    find: async (region) => (await current()).get(region),
    list: async () => [...(await current()).values()],
    invalidate: () => {
      held = undefined;
    },
  };
}

/** @param row whose keys are canonical base64url, as in every row and in every input that is read */
export function withKeyBytes<K extends { readonly transportKey: string; readonly signingKey: string }>(
  row: K,
): Omit<K, "transportKey" | "signingKey"> & Pick<RegionIdentity, "transportKey" | "signingKey"> {
  const [transportKey, signingKey] = [fromBase64url(row.transportKey), fromBase64url(row.signingKey)];
  if (transportKey === undefined || signingKey === undefined)
    throw new Error("what a region is known by is checked before it is stored");
  return { ...row, transportKey, signingKey };
}
