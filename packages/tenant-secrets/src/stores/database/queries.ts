import { and, asc, desc, eq, gt, isNotNull, isNull, lt, sql, getTableColumns } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { tables, type Statements } from "@repo/db";
import { type Check, type CheckResult, notFound, type SecretVersion } from "@repo/catalog";
import { integrityFailure } from "@repo/envelope";
import { selectNamesInCompany, type NameOf, type NamedActor } from "../../companies/actor-names.ts";
import type { Company } from "../../companies/companies.ts";
import type { DatabaseStore, StorePart } from "./port.ts";
import type { DatabaseParts } from "./transaction.ts";
import { graceUntil, isPrevious, latestGraceUntil } from "./grace-windows.ts";
import { canReturn, ofSecret, sameSecret } from "./secret-head.ts";
import { rotationColumns, rotationOf, rotations } from "./rotation-columns.ts";
import type { OfSecret, StoredDescription, StoredRemoval } from "../store.ts";

const { companySecrets, companySecretVersions, secretUses } = tables;
const pendingVersions = alias(companySecretVersions, "pending_versions");

const maxPage = 100;

/** All of a version but its value. */
const { valueEncrypted: _sealed, ...versionColumns } = getTableColumns(companySecretVersions);

/** What can be known of secrets without a value. */
export function createDescriptions({
  database,
}: DatabaseParts): StorePart<"listWithTombstones" | "list", "history" | "removed"> {
  const listWithTombstones: DatabaseStore["listWithTombstones"] = async (company) => {
    const { rows, nameOf } = await database.inCompany(company.id, async (statements) =>
      named(statements, company, await selectDescriptions(statements, company)),
    );
    return {
      present: rows.flatMap((row) => describeSecret(row, nameOf) ?? []),
      removed: new Set(
        rows.filter((row) => row.deletedAt !== null && !canReturn(row)).map(({ secretKey }) => secretKey),
      ),
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
        const { rows, nameOf } = await database.inCompany(company.id, async (statements) =>
          named(statements, company, await selectVersions(statements, company, page)),
        );
        const [first] = rows;
        if (first === undefined && before === undefined) throw notFound();
        const shown = rows.slice(0, size);
        return {
          versions: shown.map((row) => describeVersion(row, nameOf)),
          next: rows.length > size ? shown.at(-1)?.version : undefined,
          removedAt: first?.deletedAt ?? undefined,
          recoverUntil: first?.recoverUntil ?? undefined,
        };
      },

      removed: async (company) => {
        const { rows, nameOf } = await database.inCompany(company.id, async (statements) =>
          named(statements, company, await selectRemoved(statements, company)),
        );
        return rows.flatMap((row) => describeRemoval(row, nameOf) ?? []);
      },
    },
  };
}

/** What a row says of an actor; of none in a row without one. */
interface ActorRow {
  readonly companyId: string;
  readonly actorKind: string | null;
  readonly actorId: string | null;
}

/** Rows of a company, with the names of their actors. @throws {TenantSecretsError} INTEGRITY_FAILURE for another company's */
async function named<Row extends ActorRow>(
  statements: Statements,
  company: Company,
  rows: readonly Row[],
): Promise<{ readonly rows: readonly Row[]; readonly nameOf: NameOf }> {
  if (rows.some((row) => row.companyId !== company.id)) throw integrityFailure();
  const actors = rows.flatMap((row) => actorOf(row) ?? []);
  return { rows, nameOf: await selectNamesInCompany(statements, company.id, actors) };
}

function actorOf({ companyId, actorKind, actorId }: ActorRow): NamedActor | undefined {
  return actorKind === null || actorId === null ? undefined : { companyId, kind: actorKind, id: actorId };
}

function describeActor(row: ActorRow, nameOf: NameOf): SecretVersion["actor"] | undefined {
  const actor = actorOf(row);
  return actor && { kind: actor.kind, id: actor.id, name: nameOf(actor) };
}

function describeRemoval(row: RemovedRow, nameOf: NameOf): StoredRemoval | undefined {
  const { secretKey, version, removedAt, restorableUntil } = row;
  if (version === null || removedAt === null || restorableUntil === null) return undefined;
  return { secretKey, version, removedAt, restorableUntil, removedBy: describeActor(row, nameOf) };
}

/** @returns undefined of a removed secret */
function describeSecret(row: SecretRow, nameOf: NameOf): StoredDescription | undefined {
  if (row.deletedAt !== null || row.version === null) return undefined;
  return {
    secretKey: row.secretKey,
    version: row.version,
    lastVersion: row.lastVersion,
    location: "database",
    lastFour: row.lastFour ?? undefined,
    fingerprint: row.fingerprint ?? undefined,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
    updatedBy: describeActor(row, nameOf),
    expiresAt: row.expiresAt ?? undefined,
    expiresInDays: row.expiresInDays ?? undefined,
    lastUsedAt: row.lastUsedAt ?? undefined,
    pendingVersion: row.pendingVersion ?? undefined,
    pendingSince: row.pendingSince ?? undefined,
    previousUntil: row.previousUntil ?? undefined,
    check: checkOf(row),
    rotation: rotationOf(row),
  };
}

function describeVersion(row: VersionRow, nameOf: NameOf): SecretVersion {
  const { companyId, actorKind: kind, actorId: id } = row;
  return {
    version: row.version,
    id: row.id,
    previousVersionId: row.previousVersionId ?? undefined,
    createdAt: row.createdAt,
    actor: { kind, id, name: nameOf({ companyId, kind, id }) },
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
type RemovedRow = Awaited<ReturnType<typeof selectRemoved>>[number];

function selectRemoved(statements: Statements, company: Company) {
  return statements
    .select({
      companyId: companySecrets.companyId,
      secretKey: companySecrets.secretKey,
      version: companySecrets.currentVersion,
      removedAt: companySecrets.deletedAt,
      restorableUntil: companySecrets.recoverUntil,
      actorKind: companySecrets.removedByKind,
      actorId: companySecrets.removedById,
    })
    .from(companySecrets)
    .where(
      and(
        eq(companySecrets.companyId, company.id),
        isNotNull(companySecrets.deletedAt),
        isNotNull(companySecrets.currentVersion),
        isNull(companySecrets.purgedAt),
        gt(companySecrets.recoverUntil, sql`now()`),
      ),
    )
    .orderBy(asc(companySecrets.secretKey));
}

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
      origin: companySecrets.origin,
      createdAt: companySecrets.createdAt,
      updatedAt: companySecrets.updatedAt,
      expiresAt: companySecrets.expiresAt,
      expiresInDays: sql<
        number | null
      >`ceil(extract(epoch from ${companySecrets.expiresAt} - now()) / 86400)::integer`,
      lastVersion: companySecrets.lastVersion,
      pendingVersion: companySecrets.pendingVersion,
      pendingSince: pendingVersions.createdAt,
      previousUntil: sql<Date | null>`${latestGraceUntil}`.mapWith(companySecrets.updatedAt),
      lastUsedAt: secretUses.lastUsedAt,
      version: companySecretVersions.version,
      lastFour: companySecretVersions.lastFour,
      fingerprint: companySecretVersions.fingerprint,
      checkResult: companySecretVersions.checkResult,
      checkedAt: companySecretVersions.checkedAt,
      actorKind: companySecretVersions.actorKind,
      actorId: companySecretVersions.actorId,
      ...rotationColumns,
    })
    .from(companySecrets)
    .leftJoin(rotations, sql`${rotationColumns.rotationOf} = ${companySecrets.secretKey}`)
    .leftJoin(
      companySecretVersions,
      and(sameSecret, eq(companySecretVersions.version, companySecrets.currentVersion)),
    )
    .leftJoin(
      pendingVersions,
      and(
        eq(pendingVersions.companyId, companySecrets.companyId),
        eq(pendingVersions.secretKey, companySecrets.secretKey),
        eq(pendingVersions.version, companySecrets.pendingVersion),
      ),
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
