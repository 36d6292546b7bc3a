import { eq, sql } from "drizzle-orm";
import { z } from "zod";
import { TenantSecretsError } from "@repo/catalog";
import { tables, type Statements } from "@repo/db";
import { type CopyState, encryptToRegion, isGenuineRow, rowName, signCopy } from "@repo/envelope";
import type { RaiseAlarm } from "../access/alarms.ts";
import type { ActiveRowKeys, RowKeys } from "../access/authentic-rows.ts";
import type { CopiedCompany, CopiedKey, CopyWriter, SignedCopies } from "../access/signed-copies.ts";
import type { RegionKey, RegionKeys } from "../keys/region-keys.ts";
import { companyCopyOf } from "./company-copy.ts";
import type { Region, RegionRegistry } from "./registry.ts";

const { companies, companyRegions, regionCopies, regions } = tables;

interface Dependencies {
  readonly registry: RegionRegistry;
  readonly regionKeys: Pick<RegionKeys, "signing">;
  readonly rowKeys: Pick<RowKeys, "load" | "invalidate">;
  /** Called at each use of a row that is not genuine. */
  readonly onAlarm: RaiseAlarm;
}

/** What a transaction needs. Only the regions are loaded where there are none. */
interface Prepared {
  readonly regions: ReadonlyMap<string, Region>;
  readonly keys: { readonly signing: RegionKey; readonly rows: ActiveRowKeys } | undefined;
}

/** How long the signing key is kept, in milliseconds: the cost of a lost notification. */
const signingKeyTtlMs = 5000;

export function createSignedCopies({ registry, regionKeys, rowKeys, onAlarm }: Dependencies): SignedCopies {
  let held: { readonly until: number; readonly signing: Promise<RegionKey> } | undefined;

  const signingKey = (): Promise<RegionKey> => {
    if (held !== undefined && performance.now() < held.until) return held.signing;
    const loading = { until: performance.now() + signingKeyTtlMs, signing: regionKeys.signing() };
    held = loading;
    loading.signing.catch(() => {
      if (held === loading) held = undefined;
    });
    return loading.signing;
  };

  const prepare = async (): Promise<Prepared> => {
    const known = new Map((await registry.list()).map((region) => [region.region, region]));
    if (known.size === 0) return { regions: known, keys: undefined };
    return { regions: known, keys: { signing: await signingKey(), rows: await rowKeys.load() } };
  };

  const invalidate = (): void => {
    held = undefined;
    registry.invalidate();
  };

  return {
    invalidate,
    during: async (work) => {
      const once = async (isRetry: boolean) => {
        const prepared = await prepare();
        return work((statements) => writerOf(statements, prepared, { isRetry, onAlarm }));
      };
      try {
        return await once(false);
      } catch (error) {
        if (!(error instanceof RegionsChanged)) throw error;
      }
      invalidate();
      rowKeys.invalidate();
      return once(true);
    },
  };
}

/** What was loaded before the transaction is not what it finds: loaded once more, it is, or a row is not genuine. */
class RegionsChanged extends Error {}

interface Trial {
  /** Whether everything was just loaded again. */
  readonly isRetry: boolean;
  readonly onAlarm: RaiseAlarm;
}

/** A region that a company is copied to, and the home that its copies are of. */
interface Target {
  readonly region: Region;
  readonly signing: RegionKey;
  readonly homeRegion: string;
  readonly homeEpoch: number;
}

function writerOf(statements: Statements, prepared: Prepared, trial: Trial): CopyWriter {
  const targetsOf = async (companyId: string): Promise<readonly Target[]> => {
    const rows = await statements
      .select({
        row: companyRegions,
        known: regions.revision,
        homeRegion: companies.homeRegion,
        homeEpoch: companies.homeEpoch,
      })
      .from(companyRegions)
      .innerJoin(regions, eq(regions.region, companyRegions.region))
      .innerJoin(companies, eq(companies.id, companyRegions.companyId))
      .where(eq(companyRegions.companyId, companyId));
    return rows.map(({ row, known, ...home }) => ({ ...targetOf(row, known), ...home }));
  };

  const targetOf = (row: typeof companyRegions.$inferSelect, known: number) => {
    const region = prepared.regions.get(row.region);
    const key = prepared.keys?.rows.accepted.get(row.macKeyVersion);
    const isCurrent = region !== undefined && region.revision === known && key !== undefined;
    if (!isCurrent && !trial.isRetry) throw new RegionsChanged();
    const state = { kind: "company-region", companyId: row.companyId, region: row.region } as const;
    if (prepared.keys !== undefined && isCurrent && isGenuineRow(key, state, row))
      return { region, signing: prepared.keys.signing };
    const error = new TenantSecretsError(
      "INTEGRITY_FAILURE",
      `That this company is copied to ${row.region} (${rowName(state)}), or what is known of that region, was not written by this deployment, or was changed since: nothing is copied there. Find out who writes to the database; then take the region from the company.`,
    );
    trial.onAlarm(error);
    throw error;
  };

  const write = async (
    copies: readonly Omit<CopyState, "revision">[],
    signing: RegionKey,
  ): Promise<(typeof regionCopies.$inferInsert)[]> => {
    const numbers = await statements.execute(
      sql`select nextval('copy_revisions')::text as revision from generate_series(1, ${copies.length})`,
    );
    const revisions = Revisions.parse(Array.from(numbers));
    return copies.map((copy, i) => {
      const revision = revisions[i]?.revision ?? "";
      const signature = signCopy(signing.privateKey, { ...copy, revision });
      return { ...copy, revision: BigInt(revision), signature };
    });
  };

  return {
    company: async (company) => {
      if (company.status !== "active") return;
      const targets = await targetsOf(company.id);
      const [first] = targets;
      if (first === undefined) return;
      const copies = targets.map((target) => companyCopy(target, company));
      await statements
        .insert(regionCopies)
        .values(await write(copies, first.signing))
        .onConflictDoUpdate(replaces);
    },

    key: async (key, { region: only, renews = false } = {}) => {
      const targets = (await targetsOf(key.companyId)).filter(
        ({ region }) => only === undefined || region.region === only,
      );
      const [first] = targets;
      if (first === undefined) return;
      const rows = await write(
        targets.map((target) => keyCopy(target, key)),
        first.signing,
      );
      // A first key is copied by the role that serves a company, which replaces no copy.
      const insert = statements.insert(regionCopies).values(rows);
      await (renews ? insert.onConflictDoUpdate(replaces) : insert);
    },
  };
}

const Revisions = z.array(z.object({ revision: z.string() }));

const replaces = {
  target: [regionCopies.targetRegion, regionCopies.companyId, regionCopies.kind, regionCopies.name],
  set: {
    homeRegion: sql`excluded.home_region`,
    homeEpoch: sql`excluded.home_epoch`,
    revision: sql`excluded.revision`,
    body: sql`excluded.body`,
    signature: sql`excluded.signature`,
  },
};

function companyCopy({ region, homeRegion, homeEpoch }: Target, company: CopiedCompany) {
  return {
    targetRegion: region.region,
    companyId: company.id,
    kind: "company",
    name: "",
    homeRegion,
    homeEpoch,
    body: companyCopyOf(company),
  } as const;
}

function keyCopy({ region, homeRegion, homeEpoch }: Target, { companyId, keyVersion, secret }: CopiedKey) {
  const { transportKey, transportKeyVersion } = region;
  const place = { companyId, keyVersion, from: homeRegion, to: region.region, transportKeyVersion };
  return {
    targetRegion: region.region,
    companyId,
    kind: "key",
    name: String(keyVersion),
    homeRegion,
    homeEpoch,
    body: encryptToRegion(transportKey, place, secret),
  } as const;
}
