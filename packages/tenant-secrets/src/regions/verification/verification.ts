import { createHash } from "node:crypto";
import { asc, isNull } from "drizzle-orm";
import { regionState } from "@repo/audit-log";
import type { Caller } from "@repo/catalog";
import { TenantSecretsError } from "@repo/catalog";
import { type Across, type Authenticated, tables } from "@repo/db";
import {
  type CompanyKey,
  decryptFromRegion,
  deriveCompanyKey,
  encodeFields,
  isGenuineRow,
  regionFingerprint,
  type RegionIdentity,
  type RowState,
} from "@repo/envelope";
import type { RowKeys } from "../../access/authentic-rows.ts";
import { audited, type Operations } from "../../access/operation.ts";
import { companyIdOf } from "../../companies/company-id.ts";
import type { CompanyKeys } from "../../keys/company/company-keys.ts";
import type { MasterKeys } from "../../keys/master/master-keys.ts";
import type { RegionKeys } from "../../keys/region-keys.ts";
import { withKeyBytes } from "../registry.ts";
import { checkCompany, type Checking } from "./check-company.ts";
import { type CompanyInRegion, type Fault, signRegionReport, type SignedRegionReport } from "./report.ts";
import {
  type CopyRow,
  findCompanies,
  type RowsOfCompany,
  selectCompaniesBetweenRegions,
  selectRowsHere,
} from "./rows-here.ts";

/** Says what this region has of companies that are in several regions, and what is wrong with it. */
export interface RegionVerification {
  /**
   * @param asked the subdomain or the id of a company; undefined for all that have to do with another region
   * @returns a report that this region has signed; `verifyRegionReport` verifies it without a database
   * @throws {TenantSecretsError} FORBIDDEN, and what loading keys throws
   */
  verify(caller: Caller, asked?: string): Promise<SignedRegionReport>;
}

interface Dependencies {
  readonly operations: Operations;
  readonly regionKeys: RegionKeys;
  readonly companyKeys: Pick<CompanyKeys, "forDecryption">;
  readonly rowKeys: Pick<RowKeys, "find">;
  readonly masterKeys: Pick<MasterKeys, "region">;
}

const pageSize = 100;
const maxFaults = 200;

export function createRegionVerification(dependencies: Dependencies): RegionVerification {
  const { operations, regionKeys, masterKeys } = dependencies;
  return {
    verify: (caller, asked) =>
      operations.read(
        { caller, action: "region.verify", subject: asked, verb: "operators", to: "verify regions" },
        async (across) => {
          const identity = await regionKeys.identity();
          const known = await readKnown(across, dependencies);
          const checking = checkingWith(dependencies, identity, known.regions);
          const seen = { companies: 0, copies: 0, company: null as CompanyInRegion | null };
          const faults: Fault[] = [...known.faults];
          for await (const page of pagesOf(across, masterKeys.region, asked)) {
            for (const { rows, ...result } of await checkTwice(across, page, checking)) {
              seen.companies += 1;
              seen.copies += rows.copies.length;
              faults.push(...result.faults);
              if (asked !== undefined) seen.company = describe(rows, result.allowed, masterKeys.region);
            }
          }
          const facts = {
            madeAt: new Date().toISOString(),
            madeBy: `${caller.actor.kind} ${caller.actor.id}`,
            known: known.regions.map((region) => ({
              region: region.region,
              fingerprint: regionFingerprint(region),
            })),
            asked: asked ?? null,
            ...seen,
            faults: faults.slice(0, maxFaults),
            moreFaults: Math.max(0, faults.length - maxFaults),
          };
          const key = await regionKeys.signing(identity.signingKeyVersion);
          return audited(signRegionReport(facts, identity, key), {});
        },
      ),
  };
}

/** The other regions by genuine rows, and a fault for each other row. */
async function readKnown(
  across: Across,
  { rowKeys }: Pick<Dependencies, "rowKeys">,
): Promise<{ readonly regions: readonly RegionIdentity[]; readonly faults: readonly Fault[] }> {
  const { regions } = tables;
  const rows = await across((statements) =>
    statements.select().from(regions).where(isNull(regions.removedAt)).orderBy(asc(regions.region)),
  );
  const genuine: RegionIdentity[] = [];
  const faults: Fault[] = [];
  for (const row of rows)
    if (await isGenuine(rowKeys, regionState(row), row)) genuine.push(withKeyBytes(row));
    else faults.push({ kind: "region-not-genuine", company: null, region: row.region, copy: null });
  return { regions: genuine, faults };
}

async function isGenuine(
  rowKeys: Pick<RowKeys, "find">,
  state: RowState,
  beside: Authenticated,
): Promise<boolean> {
  const key = await rowKeys.find(beside.macKeyVersion);
  return key !== undefined && isGenuineRow(key, state, beside);
}

function checkingWith(
  { rowKeys, companyKeys, regionKeys, masterKeys }: Dependencies,
  identity: RegionIdentity,
  known: readonly RegionIdentity[],
): Checking {
  return {
    ownRegion: masterKeys.region,
    ownSigningKey: identity.signingKey,
    signingKeyOf: (region) => known.find((each) => each.region === region)?.signingKey,
    isGenuine: ({ companyId, region, ...beside }) =>
      isGenuine(rowKeys, { kind: "company-region", companyId, region }, beside),
    ownKey: (id, keyVersion) => orNone(() => companyKeys.forDecryption(companyIdOf({ id }), keyVersion)),
    copiedKey: (copy) => orNone(() => openKey(copy, regionKeys)),
  };
}

/** @throws {TenantSecretsError} INTEGRITY_FAILURE, KEY_UNAVAILABLE */
async function openKey(
  { companyId, name, homeRegion: from, targetRegion: to, body }: CopyRow,
  regionKeys: RegionKeys,
): Promise<CompanyKey> {
  const transportKeyVersion = Number(body.split(".")[2]);
  const { privateKey } = await regionKeys.transport(transportKeyVersion);
  const place = { companyId, keyVersion: Number(name), from, to, transportKeyVersion };
  return deriveCompanyKey(decryptFromRegion(privateKey, place, body), companyId, Number(name));
}

/** @returns undefined for a key that is not there, or not what it should be */
async function orNone(open: () => Promise<CompanyKey>): Promise<CompanyKey | undefined> {
  try {
    return await open();
  } catch (error) {
    const codes: readonly unknown[] = ["INTEGRITY_FAILURE", "KEY_UNAVAILABLE", "KEY_DESTROYED"];
    if (error instanceof TenantSecretsError && codes.includes(error.code)) return undefined;
    throw error;
  }
}

async function* pagesOf(
  across: Across,
  ownRegion: string,
  asked: string | undefined,
): AsyncGenerator<readonly string[]> {
  if (asked !== undefined) {
    yield await across((statements) => findCompanies(statements, asked));
    return;
  }
  let after: string | undefined;
  do {
    const page = { after, limit: pageSize };
    const ids = await across((statements) => selectCompaniesBetweenRegions(statements, ownRegion, page));
    if (ids.length > 0) yield ids;
    after = ids.at(-1);
  } while (after !== undefined);
}

interface Checked {
  readonly rows: RowsOfCompany;
  readonly faults: readonly Fault[];
  readonly allowed: readonly string[];
}

/**
 * Each statement sees its own moment, and copies arrive at any: where something is wrong, a second look has to find the same
 * fault.
 */
async function checkTwice(
  across: Across,
  ids: readonly string[],
  checking: Checking,
): Promise<readonly Checked[]> {
  const first = await checkOnce(across, ids, checking);
  const suspected = first.filter(({ faults }) => faults.length > 0).map(({ rows }) => rows.id);
  if (suspected.length === 0) return first;
  const second = await checkOnce(across, suspected, checking);
  return first.map((checked) => {
    const again = second.find(({ rows }) => rows.id === checked.rows.id);
    const isFoundAgain = (fault: Fault) =>
      again?.faults.some((each) => JSON.stringify(each) === JSON.stringify(fault)) === true;
    return { ...checked, faults: checked.faults.filter(isFoundAgain) };
  });
}

async function checkOnce(
  across: Across,
  ids: readonly string[],
  checking: Checking,
): Promise<readonly Checked[]> {
  if (ids.length === 0) return [];
  const all = await across((statements) => selectRowsHere(statements, ids));
  const checked: Checked[] = [];
  for (const rows of all) checked.push({ rows, ...(await checkCompany(rows, checking)) });
  return checked;
}

function describe(rows: RowsOfCompany, allowed: readonly string[], ownRegion: string): CompanyInRegion {
  const { id, row, fence, copies } = rows;
  const routes = new Map<string, CopyRow[]>();
  for (const copy of copies) {
    const route = `${copy.homeRegion} ${copy.targetRegion}`;
    routes.set(route, [...(routes.get(route) ?? []), copy]);
  }
  const isHome = row?.homeRegion === ownRegion;
  const home = isHome ? row : (fence ?? row);
  return {
    id,
    subdomain: row?.subdomain ?? null,
    home: home?.homeRegion ?? null,
    epoch: home?.homeEpoch ?? null,
    allowed: isHome ? [...allowed] : null,
    copies: [...routes.values()].map((list) => ({
      from: list[0]?.homeRegion ?? "",
      to: list[0]?.targetRegion ?? "",
      company: list.filter(({ kind }) => kind === "company").length,
      key: list.filter(({ kind }) => kind === "key").length,
      secret: list.filter(({ kind }) => kind === "secret").length,
      digest: digestOf(list),
    })),
  };
}

/** @param copies by kind and name */
function digestOf(copies: readonly CopyRow[]): string {
  const hash = createHash("sha256");
  for (const { kind, name, homeEpoch, revision, body, signature } of copies)
    hash.update(
      encodeFields([kind, name, String(homeEpoch), String(revision), body, signature?.toString("hex") ?? ""]),
    );
  return hash.digest("hex");
}
