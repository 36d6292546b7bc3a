import { and, eq } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import { type Database, tables } from "@repo/db";
import { type CompanyId, TenantSecretsError } from "@repo/catalog";
import {
  type CompanyKey,
  decryptFromRegion,
  deriveCompanyKey,
  integrityFailure,
  isSignedCopy,
} from "@repo/envelope";
import type { RaiseAlarm } from "../access/alarms.ts";
import type { CopiedKey } from "../access/signed-copies.ts";
import type { CompanyHome } from "../companies/companies.ts";
import { companyKeysTtlMs } from "../keys/company/opened-keys.ts";
import type { RegionKeys } from "../keys/region-keys.ts";
import type { RegionRegistry } from "./registry.ts";

const { regionCopies } = tables;

type CopyRow = typeof regionCopies.$inferSelect;

/** A company that is at home in another region. */
export interface CopiedCompany {
  readonly id: CompanyId;
  readonly home: CompanyHome;
}

/** Company keys as their home has encrypted them to this region. Nothing is wrapped here: without the copy there is no key. */
export interface CopiedKeys {
  /**
   * A key by its version. Cached as the keys of companies at home here are.
   *
   * @throws {TenantSecretsError} KEY_UNAVAILABLE where there is no copy of it from the company's home, or that region is not known
   *   here; INTEGRITY_FAILURE, with an alarm, where its home did not sign it for this place; and what loading keys throws
   */
  forDecryption(company: CopiedCompany, keyVersion: number): Promise<CompanyKey>;
  /**
   * The 32 bytes of each key that is here, the newest first. The caller wipes them.
   *
   * @throws as `forDecryption`
   */
  secrets(company: CopiedCompany): Promise<readonly CopiedKey[]>;
  /** As that of `CompanyKeys`. */
  invalidate(companyId?: string): void;
}

interface Parts {
  readonly database: Database;
  readonly regionKeys: Pick<RegionKeys, "transport">;
  readonly registry: Pick<RegionRegistry, "find">;
  readonly ownRegion: string;
  readonly onAlarm: RaiseAlarm;
}

export function createCopiedKeys({ database, regionKeys, registry, ownRegion, onAlarm }: Parts): CopiedKeys {
  const opened = new LRUCache<string, Map<string, Promise<CompanyKey>>>({
    max: 10_000,
    ttl: companyKeysTtlMs,
  });

  const select = ({ id, home }: CopiedCompany, keyVersion?: number): Promise<readonly CopyRow[]> =>
    database.inCompany(id, (statements) =>
      statements
        .select()
        .from(regionCopies)
        .where(
          and(
            eq(regionCopies.targetRegion, ownRegion),
            eq(regionCopies.companyId, id),
            eq(regionCopies.kind, "key"),
            keyVersion === undefined ? undefined : eq(regionCopies.name, String(keyVersion)),
            eq(regionCopies.homeRegion, home.region),
            eq(regionCopies.homeEpoch, home.epoch),
          ),
        ),
    );

  /** @returns the 32 bytes, which the caller wipes */
  const open = async ({ id, home }: CopiedCompany, row: CopyRow): Promise<CopiedKey> => {
    const region = await registry.find(home.region);
    if (region === undefined)
      throw unavailable(
        `The home of this company, region ${home.region}, is not known here: "secrets regions add" makes it known.`,
      );
    const keyVersion = Number(row.name);
    try {
      const copy = { ...row, revision: String(row.revision) };
      const isSigned = row.signature !== null && isSignedCopy(region.signingKey, copy, row.signature);
      if (!isSigned) throw integrityFailure();
      // The home has signed which of the keys of this region it took.
      const transportKeyVersion = Number(/^tr1\.[^.]*\.([1-9]\d{0,8})\./.exec(row.body)?.[1] ?? NaN);
      if (Number.isNaN(transportKeyVersion)) throw integrityFailure();
      const { privateKey } = await regionKeys.transport(transportKeyVersion);
      const place = { companyId: id, keyVersion, from: home.region, to: ownRegion, transportKeyVersion };
      return { companyId: id, keyVersion, secret: decryptFromRegion(privateKey, place, row.body) };
    } catch (error) {
      if (error instanceof TenantSecretsError && error.code === "INTEGRITY_FAILURE")
        onAlarm(notOfHome(id, keyVersion, home.region));
      throw error;
    }
  };

  const load = async (company: CopiedCompany, keyVersion: number): Promise<CompanyKey> => {
    const [row] = await select(company, keyVersion);
    if (row === undefined)
      throw unavailable(
        `Key ${keyVersion} of this company has not arrived from region ${company.home.region}, or is gone.`,
      );
    return deriveCompanyKey((await open(company, row)).secret, company.id, keyVersion);
  };

  return {
    forDecryption: (company, keyVersion) => {
      const keys = opened.get(company.id) ?? new Map<string, Promise<CompanyKey>>();
      if (!opened.has(company.id)) opened.set(company.id, keys);
      const name = `${company.home.region} ${company.home.epoch} ${keyVersion}`;
      const loading = keys.get(name) ?? load(company, keyVersion);
      keys.set(name, loading);
      loading.catch(() => {
        if (keys.get(name) === loading) keys.delete(name);
      });
      return loading;
    },
    secrets: async (company) => {
      const secrets: CopiedKey[] = [];
      try {
        for (const row of await select(company)) secrets.push(await open(company, row));
        return secrets.toSorted((one, other) => other.keyVersion - one.keyVersion);
      } catch (error) {
        for (const { secret } of secrets) secret.fill(0);
        throw error;
      }
    },
    invalidate: (companyId) => {
      if (companyId === undefined) opened.clear();
      else opened.delete(companyId);
    },
  };
}

function unavailable(message: string): TenantSecretsError {
  return new TenantSecretsError("KEY_UNAVAILABLE", message);
}

function notOfHome(companyId: string, keyVersion: number, homeRegion: string): TenantSecretsError {
  return new TenantSecretsError(
    "INTEGRITY_FAILURE",
    `The copy of key ${keyVersion} of company ${companyId} was not made by its home, region ${homeRegion}, for this region, or was changed since: secrets under it are not read. Look for who writes to this database, and compare the fingerprint in "secrets regions list" with the home.`,
  );
}
