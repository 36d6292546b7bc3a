import { and, asc, eq, inArray, isNull, or, sql } from "drizzle-orm";
import { readSecretHead, tables, type SecretHeadRow, type Statements } from "@repo/db";
import { onDatabase } from "../access/database-errors.ts";
import type { Company } from "../companies/companies.ts";
import { integrityFailure, openValue } from "../crypto/envelope.ts";
import { withKeysOfNow } from "../keys/company-keys.ts";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import { Plaintext } from "../vocabulary/plaintext.ts";
import { batchError, checkBatch, type Refusal } from "./batch.ts";
import type { DatabaseStore, Knowledge } from "./database-store.ts";
import { ofSecret, sameSecret, type DatabaseParts } from "./secret-head.ts";
import type { LiveSecret, StoredSecret } from "./store.ts";

const { companySecrets, companySecretVersions } = tables;

/** A value where it stands. */
interface SealedSecret {
  readonly companyId: string;
  readonly secretKey: string;
  readonly version: number | null;
  readonly companyKeyNo: number | null;
  readonly sealed: string | null;
}

export function createReading(
  parts: DatabaseParts,
): Pick<DatabaseStore, "look" | "know" | "read" | "readMany" | "readLive"> {
  const { database, companyKeys } = parts;

  const look = async (company: Company, secretKey: string): Promise<Knowledge<SecretHeadRow>> => {
    const head = await onDatabase(() => readSecretHead(database, company.id, secretKey));
    if (head === undefined) return { state: "unknown" };
    if (head.companyId !== company.id || head.secretKey !== secretKey) throw integrityFailure();
    return head.removed ? { state: "removed" } : { state: "present", secret: head };
  };

  const open = async (company: Company, row: SealedSecret): Promise<StoredSecret> => {
    const { companyId, secretKey, version, companyKeyNo, sealed } = row;
    if (companyId !== company.id || version === null || companyKeyNo === null || sealed === null) {
      throw integrityFailure();
    }
    const key = await companyKeys.forOpening(company.id, companyKeyNo);
    const place = { companyId: company.id, secretKey, version, companyKeyNo };
    return { plaintext: new Plaintext(openValue(key.valueKey, place, sealed)), version };
  };

  /** Opens all or none. @returns in the order of the rows */
  const openAll = async <Row extends SealedSecret>(
    company: Company,
    rows: readonly Row[],
  ): Promise<readonly (readonly [Row, StoredSecret])[]> => {
    const opened: (readonly [Row, StoredSecret])[] = [];
    const refusals: Refusal[] = [];
    for (const row of rows) {
      try {
        opened.push([row, await open(company, row)]);
      } catch (error) {
        if (!(error instanceof TenantSecretsError)) throw error;
        refusals.push({ secretKey: row.secretKey, error });
      }
    }
    const [first, ...others] = refusals;
    if (first === undefined) return opened;
    for (const [, { plaintext }] of opened) plaintext.wipe();
    throw batchError([first, ...others]);
  };

  const know = (company: Company, secretKey: string): Promise<Knowledge<StoredSecret>> =>
    withKeysOfNow(async () => {
      const found = await look(company, secretKey);
      if (found.state !== "present") return found;
      const { currentVersion: version, ...head } = found.secret;
      return { state: "present", secret: await open(company, { ...head, version }) };
    });

  return {
    look,
    know,
    read: async (company, secretKey) => {
      const knowledge = await know(company, secretKey);
      return knowledge.state === "present" ? knowledge.secret : undefined;
    },

    readMany: (company, secretKeys) =>
      withKeysOfNow(async () => {
        checkBatch(secretKeys);
        const rows = await onDatabase(() =>
          database.inCompany(company.id, (statements) => selectCurrent(statements, company, secretKeys)),
        );
        const opened = await openAll(company, rows);
        return new Map(opened.map(([{ secretKey }, secret]) => [secretKey, secret]));
      }),

    readLive: (company, secretKey) =>
      withKeysOfNow(async () => {
        const rows = await onDatabase(() =>
          database.inCompany(company.id, (statements) => selectLive(statements, company, secretKey)),
        );
        const opened = await openAll(company, rows);
        return opened.map(([{ stage }, secret]): LiveSecret => ({ ...secret, stage }));
      }),
  };
}

function selectCurrent(
  statements: Statements,
  company: Company,
  secretKeys: readonly string[],
): Promise<SealedSecret[]> {
  return statements
    .select({
      companyId: companySecrets.companyId,
      secretKey: companySecrets.secretKey,
      version: companySecrets.currentVersion,
      companyKeyNo: companySecrets.companyKeyNo,
      sealed: companySecrets.secretValueEncrypted,
    })
    .from(companySecrets)
    .where(
      and(
        eq(companySecrets.companyId, company.id),
        inArray(companySecrets.secretKey, [...secretKeys]),
        isNull(companySecrets.deletedAt),
      ),
    );
}

/** Whether a version is the one before, and still counts. */
export const isPrevious = sql`${companySecretVersions.version} = ${companySecrets.previousVersion} and ${companySecrets.previousUntil} > now()`;

/** In one statement, so that a promotion meanwhile does not show a version twice, or not at all. */
function selectLive(
  statements: Statements,
  company: Company,
  secretKey: string,
): Promise<(SealedSecret & { readonly stage: LiveSecret["stage"] })[]> {
  const isCurrent = eq(companySecretVersions.version, companySecrets.currentVersion);
  const isPending = eq(companySecretVersions.version, companySecrets.pendingVersion);
  const stage = sql<
    LiveSecret["stage"]
  >`case when ${isCurrent} then 'current' when ${isPending} then 'pending' else 'previous' end`;
  return statements
    .select({
      companyId: companySecrets.companyId,
      secretKey: companySecrets.secretKey,
      version: companySecretVersions.version,
      companyKeyNo: sql<
        number | null
      >`case when ${isCurrent} then ${companySecrets.companyKeyNo} else ${companySecretVersions.companyKeyNo} end`,
      sealed: sql<
        string | null
      >`case when ${isCurrent} then ${companySecrets.secretValueEncrypted} else ${companySecretVersions.sealed} end`,
      stage,
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
    .orderBy(asc(stage));
}
