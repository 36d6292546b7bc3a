import { and, asc, desc, eq, lt, sql, getTableColumns } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { type Check, type CheckResult, notFound, type SecretVersion } from "@repo/catalog";
import { integrityFailure } from "@repo/envelope";
import type { Company } from "../../companies/companies.ts";
import type { DatabaseStore, StorePart } from "./port.ts";
import type { DatabaseParts } from "./transaction.ts";
import { graceUntil, isPrevious } from "./grace-windows.ts";
import { ofSecret, sameSecret } from "./secret-head.ts";
import type { OfSecret, StoredDescription } from "../store.ts";

const { companySecrets, companySecretVersions, secretUses } = tables;

const maxPage = 100;

/** All of a version but its value. */
const { valueEncrypted: _sealed, ...versionColumns } = getTableColumns(companySecretVersions);

/** What can be known of secrets without a value. */
export function createDescriptions({
  database,
}: DatabaseParts): StorePart<"listWithTombstones" | "list", "history"> {
  const listWithTombstones: DatabaseStore["listWithTombstones"] = async (company) => {
    const rows = await database.inCompany(company.id, (statements) =>
      selectDescriptions(statements, company),
    );
    if (rows.some((row) => row.companyId !== company.id)) throw integrityFailure();
    return {
      present: rows.flatMap((row) => describeSecret(row) ?? []),
      removed: new Set(rows.filter((row) => row.deletedAt !== null).map((row) => row.secretKey)),
    };
  };

  return {
    listWithTombstones,
    list: async (company) => ({ secrets: (await listWithTombstones(company)).present }),

    versions: {
      history: async (company, { secretKey, before, limit = maxPage }) => {
        const size = Math.min(limit, maxPage);
        // One more than asked for tells whether there is another page.
        const page = { secretKey, before, limit: size + 1 };
        const rows = await database.inCompany(company.id, (statements) =>
          selectVersions(statements, company, page),
        );
        const [first] = rows;
        if (first === undefined && before === undefined) throw notFound();
        if (rows.some((row) => row.companyId !== company.id)) throw integrityFailure();
        const shown = rows.slice(0, size);
        return {
          versions: shown.map(describeVersion),
          next: rows.length > size ? shown.at(-1)?.version : undefined,
          removedAt: first?.deletedAt ?? undefined,
          recoverUntil: first?.recoverUntil ?? undefined,
        };
      },
    },
  };
}

/** @returns undefined of a removed secret */
function describeSecret(row: SecretRow): StoredDescription | undefined {
  if (row.deletedAt !== null || row.version === null) return undefined;
  return {
    secretKey: row.secretKey,
    version: row.version,
    location: "database",
    lastFour: row.lastFour ?? undefined,
    fingerprint: row.fingerprint ?? undefined,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
    expiresAt: row.expiresAt ?? undefined,
    expiresInDays: row.expiresInDays ?? undefined,
    lastUsedAt: row.lastUsedAt ?? undefined,
    pendingVersion: row.pendingVersion ?? undefined,
    check: checkOf(row),
  };
}

function describeVersion(row: VersionRow): SecretVersion {
  return {
    version: row.version,
    id: row.id,
    previousVersionId: row.previousVersionId ?? undefined,
    createdAt: row.createdAt,
    actor: { kind: row.actorKind, id: row.actorId },
    note: row.note ?? undefined,
    lastFour: row.lastFour ?? undefined,
    fingerprint: row.fingerprint ?? undefined,
    stage: row.stage ?? undefined,
    activeUntil: row.stage === "previous" ? (row.activeUntil ?? undefined) : undefined,
    expiresAt: row.expiresAt ?? undefined,
    destroyedAt: row.destroyedAt ?? undefined,
    check: checkOf(row),
  };
}

function checkOf(row: {
  readonly checkResult: CheckResult | null;
  readonly checkedAt: Date | null;
}): Check | undefined {
  const { checkResult: result, checkedAt } = row;
  return result === null || checkedAt === null ? undefined : { result, checkedAt };
}

type VersionRow = Awaited<ReturnType<typeof selectVersions>>[number];
type SecretRow = Awaited<ReturnType<typeof selectDescriptions>>[number];

function selectVersions(
  statements: Statements,
  company: Company,
  { secretKey, before, limit }: OfSecret<{ readonly before: number | undefined; readonly limit: number }>,
) {
  return statements
    .select({
      ...versionColumns,
      deletedAt: companySecrets.deletedAt,
      recoverUntil: companySecrets.recoverUntil,
      stage: sql<SecretVersion["stage"] | null>`case
        when ${companySecrets.deletedAt} is not null then null
        when ${companySecretVersions.version} = ${companySecrets.currentVersion} then 'current'
        when ${companySecretVersions.version} = ${companySecrets.pendingVersion} then 'pending'
        when ${isPrevious} then 'previous' end`,
      activeUntil: sql<Date | null>`${graceUntil}`.mapWith(companySecrets.updatedAt),
    })
    .from(companySecretVersions)
    .innerJoin(companySecrets, sameSecret)
    .where(
      and(
        ofSecret(company.id, secretKey),
        before === undefined ? undefined : lt(companySecretVersions.version, before),
      ),
    )
    .orderBy(desc(companySecretVersions.version))
    .limit(limit);
}

/** What lists show, of all secrets in one statement, and no sealed value. */
function selectDescriptions(statements: Statements, company: Company) {
  return statements
    .select({
      companyId: companySecrets.companyId,
      secretKey: companySecrets.secretKey,
      deletedAt: companySecrets.deletedAt,
      createdAt: companySecrets.createdAt,
      updatedAt: companySecrets.updatedAt,
      expiresAt: companySecrets.expiresAt,
      expiresInDays: sql<
        number | null
      >`ceil(extract(epoch from ${companySecrets.expiresAt} - now()) / 86400)::integer`,
      pendingVersion: companySecrets.pendingVersion,
      lastUsedAt: secretUses.lastUsedAt,
      version: companySecretVersions.version,
      lastFour: companySecretVersions.lastFour,
      fingerprint: companySecretVersions.fingerprint,
      checkResult: companySecretVersions.checkResult,
      checkedAt: companySecretVersions.checkedAt,
    })
    .from(companySecrets)
    .leftJoin(
      companySecretVersions,
      and(sameSecret, eq(companySecretVersions.version, companySecrets.currentVersion)),
    )
    .leftJoin(
      secretUses,
      and(
        eq(secretUses.companyId, companySecrets.companyId),
        eq(secretUses.secretKey, companySecrets.secretKey),
      ),
    )
    .where(eq(companySecrets.companyId, company.id))
    .orderBy(asc(companySecrets.secretKey));
}
