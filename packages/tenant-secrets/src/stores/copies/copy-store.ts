import type { Database } from "@repo/db";
import { type CopiedSecretRow, createCopiedSecrets, listCopiedSecrets } from "@repo/db/regions";
import { TenantSecretsError, wrongRegion } from "@repo/catalog";
import { isGenuineHead, integrityFailure } from "@repo/envelope";
import type { RaiseAlarm } from "../../access/alarms.ts";
import type { Company, CompanyScope } from "../../companies/companies.ts";
import type { CopiedCompany, CopiedKeys } from "../../regions/copied-keys.ts";
import type { CopyAges } from "../../regions/copy-ages.ts";
import { encryptedSecret, type EncryptedSecret } from "../encrypted-secret.ts";
import { isScope } from "../operations.ts";
import type { SecretStore, StoredDescription } from "../store.ts";

interface Parts {
  readonly database: Database;
  readonly ownRegion: string;
  readonly copiedKeys: Pick<CopiedKeys, "forDecryption">;
  readonly copyAges: Pick<CopyAges, "note">;
  /** Told of a copy that another party has changed. */
  readonly onAlarm: RaiseAlarm;
}

type GenuineCopy = CopiedSecretRow & Required<Pick<CopiedSecretRow, "head" | "times">>;

/**
 * The secrets of companies that are at home elsewhere, as their homes have copied them here: current values, and what lists show of
 * them. Everything else is WRONG_REGION. A copy counts as the head at home does, by its MAC under the company key.
 */
export function createCopyStore(parts: Parts): SecretStore {
  const { database, ownRegion, copiedKeys, copyAges, onAlarm } = parts;
  const readCopy = createCopiedSecrets(database, ownRegion);

  const refuse = (company: CopiedCompany, secretKey: string): TenantSecretsError => {
    onAlarm(changedCopy(company, secretKey));
    return integrityFailure();
  };

  /** @throws {TenantSecretsError} INTEGRITY_FAILURE, with an alarm, for a copy that the home did not make of this secret */
  const checked = async (company: CopiedCompany, row: CopiedSecretRow, secretKey: string) => {
    const { head, times, homeRegion, homeEpoch } = row;
    const { region, epoch } = company.home;
    if (homeRegion !== region || homeEpoch !== epoch) throw moving();
    if (head === undefined || times === undefined || head.secretKey !== secretKey)
      throw refuse(company, secretKey);
    const key = await copiedKeys.forDecryption(company, head.macKeyVersion);
    if (!isGenuineHead(key, head, head)) throw refuse(company, secretKey);
    copyAges.note(region, row.beatAtMs);
    return { head, times, key };
  };

  const find = async (given: Company, secretKey: string): Promise<EncryptedSecret | undefined> => {
    const company = copiedCompany(given);
    const row = await readCopy(company.id, secretKey);
    if (row === undefined) return undefined;
    const { head, key } = await checked(company, row, secretKey);
    const { currentVersion: version, companyKeyVersion, encrypted, expiresAtMs } = head;
    if (version === null || companyKeyVersion === null || encrypted === null)
      throw refuse(company, secretKey);
    const valueKey =
      key.keyVersion === companyKeyVersion ? key : await copiedKeys.forDecryption(company, companyKeyVersion);
    const place = { companyId: company.id, secretKey, version, companyKeyVersion };
    return {
      ...encryptedSecret(valueKey, place, encrypted),
      expiresAtMs: expiresAtMs ?? undefined,
      copiedFrom: company.home.region,
    };
  };

  const elsewhere = (subject: Company | CompanyScope): Promise<never> => {
    const { home } = copiedCompany(isScope(subject) ? subject.company : subject);
    return Promise.reject(wrongRegion(home.region, undefined));
  };

  return {
    isCopy: true,
    find,
    list: async (given) => {
      const company = copiedCompany(given);
      const secrets: StoredDescription[] = [];
      for (const row of await listCopiedSecrets(database, ownRegion, company.id)) {
        const { head, times } = await checked(company, row, row.secretKey);
        secrets.push(describe(head, times));
      }
      return { secrets };
    },
    write: elsewhere,
    remove: elsewhere,
    versions: {
      findActive: async (company, { secretKey }) => {
        const encrypted = await find(company, secretKey);
        return encrypted && [{ stage: "current", encrypted }];
      },
      history: elsewhere,
      removed: elsewhere,
      stage: elsewhere,
      promote: elsewhere,
      discard: elsewhere,
      rollback: elsewhere,
      restore: elsewhere,
      purge: elsewhere,
      setExpiry: elsewhere,
    },
    batches: { writeMany: elsewhere },
    checks: { recordCheck: elsewhere },
  };
}

const dayMs = 86_400_000;

function describe(
  { secretKey, currentVersion, lastVersion, pendingVersion, expiresAtMs }: NonNullable<GenuineCopy["head"]>,
  { createdAtMs, updatedAtMs }: NonNullable<GenuineCopy["times"]>,
): StoredDescription {
  return {
    secretKey,
    version: currentVersion ?? 0,
    lastVersion,
    location: "database",
    createdAt: new Date(createdAtMs),
    updatedAt: new Date(updatedAtMs),
    ...(expiresAtMs !== null && {
      expiresAt: new Date(expiresAtMs),
      expiresInDays: Math.ceil((expiresAtMs - Date.now()) / dayMs),
    }),
    ...(pendingVersion !== null && { pendingVersion }),
  };
}

function copiedCompany({ id, home }: Company): CopiedCompany {
  if (home === undefined) throw new Error("a company at home here is read from its own store");
  return { id, home };
}

/** Copies of another home than the row of the company names: one of them is about to follow. */
function moving(): TenantSecretsError {
  return new TenantSecretsError(
    "KEY_UNAVAILABLE",
    "This company is being moved from one region to another: try again in a moment.",
    { retryAfterMs: 1000 },
  );
}

function changedCopy({ id, home }: CopiedCompany, secretKey: string): TenantSecretsError {
  return new TenantSecretsError(
    "INTEGRITY_FAILURE",
    `The copy of ${secretKey} of company ${id} was not made by its home, region ${home.region}, or was changed since: it is not read. Look for who writes to this database and to the one of the export.`,
  );
}
