import { and, asc, eq, isNull, sql } from "drizzle-orm";
import { regionState } from "@repo/audit-log";
import {
  type AddedRegion,
  type Caller,
  type NewRegion,
  type RegionDescription,
  type RegionIdentityText,
  regionOperations,
  TenantSecretsError,
} from "@repo/catalog";
import { type Statements, tables } from "@repo/db";
import { encryptToRegion, regionFingerprint, toBase64url } from "@repo/envelope";
import { audited, type Operations, type Transaction } from "../access/operation.ts";
import type { RegionKeys } from "../keys/region-keys.ts";
import { type RegionRegistry, withKeyBytes } from "./registry.ts";
import { type RenewalRun, startRenewal } from "./renewal-run.ts";

const { companyRegions, regions } = tables;

/** How operators make regions known to each other. Each region adds the other one. */
export interface Regions {
  /** @throws {TenantSecretsError} FORBIDDEN; NOT_SUPPORTED where this deployment has no address, or a name that is too long */
  identity(caller: Caller): Promise<RegionIdentityText>;
  /** Those that are genuine, by name. @throws {TenantSecretsError} FORBIDDEN */
  list(caller: Caller): Promise<readonly RegionDescription[]>;
  /**
   * Idempotent.
   *
   * @throws {TenantSecretsError} FORBIDDEN; INVALID_INPUT for another fingerprint, a key that nothing can be encrypted to, and
   *   this region itself; CONFLICT for a name that was removed, and other keys under numbers that are known; INTEGRITY_FAILURE
   */
  add(caller: Caller, region: NewRegion): Promise<AddedRegion>;
  /**
   * Idempotent.
   *
   * @throws {TenantSecretsError} FORBIDDEN; NOT_FOUND; CONFLICT while companies are copied there; INTEGRITY_FAILURE
   */
  remove(caller: Caller, region: string): Promise<void>;
}

interface Dependencies {
  readonly operations: Operations;
  readonly registry: RegionRegistry;
  readonly regionKeys: RegionKeys;
  /** Encrypts what is there to the keys that replace others. */
  readonly renewal: RenewalRun;
  /** The origin of this region's API; undefined where this deployment does not know it. */
  readonly address: string | undefined;
  /** The name of this region. */
  readonly ownRegion: string;
}

const toManage = { verb: "operators", to: "manage regions" } as const;

export function createRegions(dependencies: Dependencies): Regions {
  const { operations, registry, regionKeys, renewal, address, ownRegion } = dependencies;
  return {
    identity: (caller) =>
      operations.read({ caller, action: "region.identity", ...toManage }, async () => {
        if (address === undefined)
          throw new TenantSecretsError(
            "NOT_SUPPORTED",
            "Other regions have to know where this one is reached: set PUBLIC_URL.",
          );
        if (!regionOperations.remove.input.safeParse({ region: ownRegion }).success)
          throw new TenantSecretsError(
            "NOT_SUPPORTED",
            "The name of this region, MASTER_KEY_REGION, has more than 20 characters: other regions cannot know it.",
          );
        const { transportKey, signingKey, ...identity } = await regionKeys.identity();
        const keys = { transportKey: toBase64url(transportKey), signingKey: toBase64url(signingKey) };
        return audited({ ...identity, ...keys, address }, { subject: ownRegion });
      }),

    list: (caller) =>
      operations.read({ caller, action: "region.list", ...toManage }, async (across) => {
        registry.invalidate();
        const genuine = new Map((await registry.list()).map((region) => [region.region, region.revision]));
        const rows = await across((statements) => selectRegions(statements));
        return audited(rows.filter(({ row }) => genuine.get(row.region) === row.revision).map(describe), {});
      }),

    add: async (caller, { fingerprint, ...given }) => {
      const operation = { caller, action: "region.add", subject: given.region, ...toManage } as const;
      const added = await operations.change(operation, async (transaction) => {
        checkIdentity(given, fingerprint, ownRegion);
        const { row, outcome, isRekeyed } = await insertOrChange(transaction, given);
        const subject = `${row.region} ${row.transportKeyVersion}`;
        if (isRekeyed)
          await startRenewal(renewal, transaction.statements, { caller, subject, region: row.region });
        const [region] = await selectRegions(transaction.statements, row.region);
        if (region === undefined) throw new Error("a region that was just added is there");
        return audited({ region: describe(region), outcome }, { version: row.revision });
      });
      registry.invalidate();
      return added;
    },

    remove: async (caller, region) => {
      const operation = { caller, action: "region.remove", subject: region, ...toManage } as const;
      await operations.change(
        { ...operation, violations: { regions_in_use: regionInUse } },
        async ({ statements, writer }) => {
          const row = await lockRegion(statements, region);
          if (row === undefined) throw unknownRegion();
          if (row.removedAt !== null) return audited(undefined, { version: row.revision });
          writer.require(regionState(row), row);
          const removedAt = new Date();
          const beside = await writer.seal(regionState({ ...row, removedAt }));
          await statements
            .update(regions)
            .set({ removedAt, ...beside })
            .where(eq(regions.region, region));
          return audited(undefined, { version: beside.revision });
        },
      );
      registry.invalidate();
    },
  };
}

type Asked = Omit<NewRegion, "fingerprint">;
type RegionRow = typeof regions.$inferSelect;

/** @throws {TenantSecretsError} INVALID_INPUT */
function checkIdentity(asked: Asked, fingerprint: string, ownRegion: string): void {
  if (asked.region === ownRegion)
    throw invalid("This is the identity of this region itself: it is added in the other one.");
  const identity = withKeyBytes(asked);
  if (digits(regionFingerprint(identity)) !== digits(fingerprint))
    throw invalid(
      "The fingerprint is not that of this identity. Ask an operator of the other region for it by another way than the identity came, and add nothing before both are the same.",
    );
  const { region: to, transportKeyVersion } = asked;
  const place = { companyId: noCompany, keyVersion: 1, from: ownRegion, to, transportKeyVersion };
  try {
    encryptToRegion(identity.transportKey, place, Buffer.alloc(32));
  } catch {
    throw invalid("Nothing can be encrypted to the transport key of this identity.");
  }
}

/** For a trial of a key, with a key of a company that there is not. */
const noCompany = "00000000-0000-0000-0000-000000000000";

function digits(fingerprint: string): string {
  return fingerprint.replaceAll(" ", "").toLowerCase();
}

interface Added {
  readonly row: RegionRow;
  readonly outcome: AddedRegion["outcome"];
  /** Whether what was encrypted to it has to be encrypted to another key. */
  readonly isRekeyed: boolean;
}

async function insertOrChange({ statements, writer }: Transaction, asked: Asked): Promise<Added> {
  const fresh = { ...asked, removedAt: null };
  const [made] = await statements
    .insert(regions)
    .values({ ...fresh, ...(await writer.seal(regionState(fresh))) })
    .onConflictDoNothing()
    .returning();
  if (made !== undefined) return { row: made, outcome: "added", isRekeyed: false };
  const found = await lockRegion(statements, asked.region);
  if (found === undefined) throw new Error("a region is not deleted");
  if (found.removedAt !== null)
    throw conflict(
      "A region of this name was removed, and its name is not used again: give the region another one.",
    );
  writer.require(regionState(found), found);
  if (isSame(found, asked)) return { row: found, outcome: "unchanged", isRekeyed: false };
  requireLaterKeys(found, asked);
  const [row] = await statements
    .update(regions)
    .set({ ...asked, ...(await writer.seal(regionState({ ...found, ...asked }))) })
    .where(eq(regions.region, asked.region))
    .returning();
  if (row === undefined) throw new Error("a row that is locked is there");
  return { row, outcome: "changed", isRekeyed: found.transportKey !== row.transportKey };
}

function isSame(found: Asked, asked: Asked): boolean {
  return (
    found.address === asked.address &&
    found.transportKeyVersion === asked.transportKeyVersion &&
    found.transportKey === asked.transportKey &&
    found.signingKeyVersion === asked.signingKeyVersion &&
    found.signingKey === asked.signingKey
  );
}

/** Under one number there is one key, and an earlier one is not put back. @throws {TenantSecretsError} CONFLICT */
function requireLaterKeys(found: Asked, asked: Asked): void {
  const pairs = [
    [found.transportKeyVersion, found.transportKey, asked.transportKeyVersion, asked.transportKey],
    [found.signingKeyVersion, found.signingKey, asked.signingKeyVersion, asked.signingKey],
  ] as const;
  const isLater = pairs.every(
    ([version, key, newVersion, newKey]) =>
      newVersion > version || (newVersion === version && newKey === key),
  );
  if (isLater) return;
  throw conflict(
    "This region is known with other keys. Keys that replace them have higher numbers; for a region that was set up from nothing, remove this one and give the other another name.",
  );
}

async function lockRegion(statements: Statements, region: string): Promise<RegionRow | undefined> {
  const [row] = await statements
    .select()
    .from(regions)
    .where(eq(regions.region, region))
    .for("no key update");
  return row;
}

interface Listed {
  readonly row: RegionRow;
  readonly companies: number;
}

/** @param region default: all that were not removed */
async function selectRegions(statements: Statements, region?: string): Promise<readonly Listed[]> {
  return statements
    .select({
      row: regions,
      companies: sql<number>`(select count(*)::int from ${companyRegions} c where c.region = ${regions.region})`,
    })
    .from(regions)
    .where(and(isNull(regions.removedAt), region === undefined ? undefined : eq(regions.region, region)))
    .orderBy(asc(regions.region));
}

function describe({ row, companies }: Listed): RegionDescription {
  const { region, address, transportKeyVersion, transportKey, signingKeyVersion, signingKey, createdAt } =
    row;
  const identity = { region, address, transportKeyVersion, transportKey, signingKeyVersion, signingKey };
  return { ...identity, fingerprint: regionFingerprint(withKeyBytes(identity)), createdAt, companies };
}

export function unknownRegion(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_FOUND",
    'There is no such region: "regions list" shows those that were added here.',
  );
}

function regionInUse(): TenantSecretsError {
  return conflict("Companies are still copied to this region: take it from each of them first.");
}

function conflict(sentence: string): TenantSecretsError {
  return new TenantSecretsError("CONFLICT", sentence);
}

function invalid(sentence: string): TenantSecretsError {
  return new TenantSecretsError("INVALID_INPUT", sentence);
}
