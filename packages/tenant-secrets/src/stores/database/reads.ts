import { and, asc, eq, isNull, or, sql } from "drizzle-orm";
import { createSecretHeads, tables, type SecretHeadRow, type Statements } from "@repo/db";
import {
  type CompanyKey,
  type HeadState,
  headStateOf,
  integrityFailure,
  isGenuineHead,
} from "@repo/envelope";
import type { Company } from "../../companies/companies.ts";
import { withCurrentKeys } from "../../keys/company/company-keys.ts";
import type { Lookup, FoundSecret, StorePart } from "./port.ts";
import { HeadChanged, type DatabaseParts } from "./transaction.ts";
import { gracePlace, graceUntil, isPrevious } from "./grace-windows.ts";
import { encryptedSecret, type EncryptedSecret, withCanary } from "../encrypted-secret.ts";
import { findTried } from "./canary.ts";
import { ofSecret, sameSecret } from "./secret-head.ts";
import type { ActiveVersion } from "../store.ts";

const { companySecrets, companySecretVersions } = tables;

type MacBeside = Parameters<typeof isGenuineHead>[2];

interface GenuineHead {
  readonly head: SecretHeadRow;
  /** Of its MAC. */
  readonly key: CompanyKey;
}

/** A value where it stands. */
interface EncryptedRow {
  readonly companyId: string;
  readonly secretKey: string;
  readonly version: number | null;
  readonly companyKeyVersion: number | null;
  readonly encrypted: string | null;
  readonly expiresAtMs: number | null;
}

export function createReading({
  database,
  companyKeys,
  onAlarm,
}: DatabaseParts): StorePart<"findHead" | "lookup" | "find", "findActive"> {
  const readHead = createSecretHeads(database);

  /**
   * @returns the key of the MAC
   * @throws {TenantSecretsError} INTEGRITY_FAILURE where another party has changed the head, and what loading keys throws
   */
  const check = async (company: Company, head: HeadState, beside: MacBeside): Promise<CompanyKey> => {
    const key = await companyKeys.forDecryption(company.id, beside.macKeyVersion);
    if (isGenuineHead(key, head, beside)) return key;
    const changed = new HeadChanged(head.secretKey);
    onAlarm(changed.alarm(company.id));
    throw changed;
  };

  const findGenuine = async (company: Company, secretKey: string): Promise<GenuineHead | undefined> => {
    const head = await readHead(company.id, secretKey);
    if (head === undefined) return undefined;
    if (head.companyId !== company.id || head.secretKey !== secretKey) throw integrityFailure();
    return { head, key: await check(company, head, head) };
  };

  /** @param known a key of the company that the caller has: most values are under the key of their head's MAC */
  const take = async (company: Company, row: EncryptedRow, known?: CompanyKey): Promise<EncryptedSecret> => {
    const { companyId, secretKey, version, companyKeyVersion, encrypted, expiresAtMs } = row;
    if (companyId !== company.id || version === null || companyKeyVersion === null || encrypted === null) {
      throw integrityFailure();
    }
    const key =
      known?.keyVersion === companyKeyVersion
        ? known
        : await companyKeys.forDecryption(company.id, companyKeyVersion);
    const place = { companyId: company.id, secretKey, version, companyKeyVersion };
    return { ...encryptedSecret(key, place, encrypted), expiresAtMs: expiresAtMs ?? undefined };
  };

  /** With what a share of the uses gets in its place. */
  const beside = async (
    company: Company,
    head: SecretHeadRow,
    current: EncryptedSecret,
  ): Promise<EncryptedSecret> => {
    const askedAt = performance.now();
    const tried = await findTried(database, company, head);
    if (tried === undefined || head.canary === null) return current;
    const { version, percent } = head.canary;
    const encrypted = await take(company, { ...head, ...tried, version });
    return withCanary(current, { encrypted, share: percent / 100, until: askedAt + tried.leftMs });
  };

  const lookup = (company: Company, secretKey: string): Promise<Lookup<FoundSecret>> =>
    withCurrentKeys(async () => {
      const found = await findGenuine(company, secretKey);
      if (found === undefined) return { state: "unknown" };
      const { head, key } = found;
      const { origin, currentVersion: version } = head;
      if (head.removed) return { state: "removed", origin };
      const current = await take(company, { ...head, version }, key);
      const encrypted = head.canary === null ? current : await beside(company, head, current);
      return { state: "present", secret: { origin, encrypted } };
    });

  return {
    findHead: async (company, secretKey) => {
      const found = await findGenuine(company, secretKey);
      if (found === undefined) return { state: "unknown" };
      const { head } = found;
      return head.removed ? { state: "removed", origin: head.origin } : { state: "present", secret: head };
    },
    lookup,
    find: async (company, secretKey) => {
      const knowledge = await lookup(company, secretKey);
      return knowledge.state === "present" ? knowledge.secret.encrypted : undefined;
    },

    versions: {
      findActive: (company, { secretKey }) =>
        withCurrentKeys(async () => {
          const askedAt = performance.now();
          const rows = await database.inCompany(company.id, (statements) =>
            selectActive(statements, company, secretKey),
          );
          const [any] = rows;
          if (any !== undefined) await check(company, headStateOf(any.head), any.head);
          const active = rows.map(async ({ stage, leftMs, ...row }): Promise<ActiveVersion> => {
            const encrypted = await take(company, row);
            if (stage !== "previous") return { stage, encrypted };
            const ttlMs = Math.min(leftMs, encrypted.ttlMs ?? Infinity);
            return { stage, encrypted: { ...encrypted, ttlMs }, until: askedAt + leftMs };
          });
          const [first, ...others] = await Promise.all(active);
          return first && [first, ...others];
        }),
    },
  };
}

/** In one statement, so that a promotion meanwhile does not show a version twice, or not at all. */
function selectActive(
  statements: Statements,
  company: Company,
  secretKey: string,
): Promise<
  (EncryptedRow & {
    readonly stage: ActiveVersion["stage"];
    readonly leftMs: number;
    readonly head: typeof companySecrets.$inferSelect;
  })[]
> {
  const isCurrent = eq(companySecretVersions.version, companySecrets.currentVersion);
  const isPending = eq(companySecretVersions.version, companySecrets.pendingVersion);
  const stage = sql<
    ActiveVersion["stage"]
  >`case when ${isCurrent} then 'current' when ${isPending} then 'pending' else 'previous' end`;
  return statements
    .select({
      head: companySecrets,
      companyId: companySecrets.companyId,
      secretKey: companySecrets.secretKey,
      version: companySecretVersions.version,
      companyKeyVersion: sql<
        number | null
      >`case when ${isCurrent} then ${companySecrets.companyKeyVersion} else ${companySecretVersions.companyKeyVersion} end`,
      encrypted: sql<
        string | null
      >`case when ${isCurrent} then ${companySecrets.secretValueEncrypted} else ${companySecretVersions.valueEncrypted} end`,
      expiresAtMs: sql<
        number | null
      >`(extract(epoch from ${companySecretVersions.expiresAt}) * 1000)::float8`,
      stage,
      // Of a grace window that lasts; of another version's it is not looked at.
      leftMs: sql<number>`coalesce(extract(epoch from ${graceUntil} - now()) * 1000, 0)::float8`,
    })
    .from(companySecrets)
    .innerJoin(companySecretVersions, sameSecret)
    .where(
      and(
        ofSecret(company.id, secretKey),
        isNull(companySecrets.deletedAt),
        or(isCurrent, isPending, isPrevious),
      ),
    )
    .orderBy(asc(stage), asc(gracePlace));
}
