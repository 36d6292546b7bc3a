import { and, asc, eq, inArray, isNull, sql, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { apiKeyState, selectKeyCompanies } from "@repo/audit-log";
import { type ApiKeyDescription, notFound, TenantSecretsError } from "@repo/catalog";
import type { RowTransaction } from "../access/operation.ts";

export type StoredApiKey = typeof tables.apiKeys.$inferSelect;
type NewRow = Omit<StoredApiKey, "createdAt" | "lastUsedAt" | "revision" | "macKeyVersion" | "mac">;

/** @param companyIds that a platform key may enter; empty for a company's own */
export async function insertApiKey(
  { statements, writer }: RowTransaction,
  made: NewRow,
  companyIds: readonly string[],
): Promise<StoredApiKey> {
  const { name, ...state } = made;
  const beside = await writer.seal(apiKeyState(state, companyIds));
  const [row] = await statements
    .insert(tables.apiKeys)
    .values({ ...state, ...beside, name })
    .returning();
  if (row === undefined) throw new Error("an insert returned no row");
  if (companyIds.length > 0) {
    await statements
      .insert(tables.apiKeyCompanies)
      .values(companyIds.map((companyId) => ({ companyId, apiKeyId: row.id })));
  }
  return row;
}

/**
 * What the makers of a company's keys are called: people by their name there, operators for operators alone.
 *
 * @returns by kind and id of the maker; without people who have left
 */
export async function selectMakerNames(
  statements: Statements,
  rows: readonly StoredApiKey[],
  { companyId, withOperators }: { readonly companyId: string; readonly withOperators: boolean },
): Promise<(row: StoredApiKey) => string | undefined> {
  const { memberships, operators } = tables;
  const idsOf = (kind: string) =>
    rows.filter(({ createdByKind }) => createdByKind === kind).map(({ createdById }) => createdById);
  const people = await statements
    .select({ id: memberships.userId, name: memberships.name })
    .from(memberships)
    .where(
      and(eq(memberships.companyId, companyId), inArray(sql`${memberships.userId}::text`, idsOf("user"))),
    );
  const staff = withOperators
    ? await statements
        .select({ id: operators.id, name: operators.name })
        .from(operators)
        .where(inArray(sql`${operators.id}::text`, idsOf("operator")))
    : [];
  const named = new Map<string, string>([
    ...people.map(({ id, name }) => [`user ${id}`, name] as const),
    ...staff.map(({ id, name }) => [`operator ${id}`, name] as const),
  ]);
  return ({ createdByKind, createdById }) => named.get(`${createdByKind} ${createdById}`);
}

/** Revokes a key whose answer was lost. @throws {TenantSecretsError} CONFLICT if it was used or revoked meanwhile */
export async function endUnclaimed(transaction: RowTransaction, id: string): Promise<RevokedApiKey> {
  const { apiKeys } = tables;
  const unclaimed = and(eq(apiKeys.id, id), isNull(apiKeys.revokedAt), isNull(apiKeys.lastUsedAt));
  const [ended] = await revokeApiKeys(transaction, unclaimed);
  if (ended !== undefined) return ended;
  throw new TenantSecretsError(
    "CONFLICT",
    `This request made the API key ${id}, which was used or revoked since: send a new id to make another one.`,
  );
}

/** An old key of a rotation: what the next one takes over, and when it ends. */
interface EndingApiKey extends Pick<
  StoredApiKey,
  "companyId" | "name" | "verbs" | "keyPatterns" | "addresses" | "expiresAt" | "revision"
> {
  readonly companyIds: readonly string[];
  readonly endsAt: Date;
}

interface Ending {
  readonly graceSeconds: number;
  /** Of a retry, when the key expires that the first attempt made: the old one may have ended by that attempt. */
  readonly nextExpiresAt: Date | undefined;
}

/**
 * Lets a key end after a window.
 *
 * @returns the key, with an `expiresAt` as far from now as its own was from its making
 * @throws {TenantSecretsError} NOT_FOUND; INTEGRITY_FAILURE if its row is not genuine; CONFLICT if it has ended, except for a retry
 */
export async function endAfter(
  transaction: RowTransaction,
  which: SQL | undefined,
  { graceSeconds, nextExpiresAt }: Ending,
): Promise<EndingApiKey> {
  const { statements, writer } = transaction;
  const { apiKeys } = tables;
  const [found] = await statements
    .select({ row: apiKeys, nowMs: sql<number>`floor(extract(epoch from now()) * 1000)::float8` })
    .from(apiKeys)
    .where(which)
    .for("no key update");
  if (found === undefined) throw notFound();
  const { row, nowMs } = found;
  const { id, companyId } = row;
  const companyIds = companyId === null ? await selectKeyCompanies(statements, id) : [];
  writer.require(apiKeyState(row, companyIds), row);
  const hasEnded = row.revokedAt !== null || row.expiresAt.getTime() <= nowMs;
  if (hasEnded && nextExpiresAt === undefined) {
    throw new TenantSecretsError(
      "CONFLICT",
      "This API key has ended, so that nothing uses it: make another one.",
    );
  }
  const lifeMs = row.expiresAt.getTime() - row.createdAt.getTime();
  const next = { ...row, companyIds, expiresAt: nextExpiresAt ?? new Date(nowMs + lifeMs) };
  if (hasEnded) return { ...next, endsAt: row.revokedAt ?? row.expiresAt };
  const endsAt = new Date(Math.min(row.expiresAt.getTime(), nowMs + graceSeconds * 1000));
  const beside = await writer.seal(apiKeyState({ ...row, expiresAt: endsAt }, companyIds));
  await statements
    .update(apiKeys)
    .set({ expiresAt: endsAt, ...beside })
    .where(eq(apiKeys.id, id));
  return { ...next, endsAt, revision: beside.revision };
}

type RevokedApiKey = Pick<StoredApiKey, "id" | "companyId" | "expiresAt" | "revision">;

/** The event of a revocation, in the key's company. */
export function revocationOf({ id, companyId, revision }: RevokedApiKey) {
  return {
    action: "api-key.revoke",
    companyId: companyId ?? undefined,
    subject: id,
    version: revision,
  } as const;
}

/**
 * Revokes API keys in the order of their ids. A revoked key stays unchanged. A key whose row is not genuine is revoked too, and
 * gets no MAC.
 *
 * @param most the maximum number of keys
 */
export async function revokeApiKeys(
  { statements, writer }: RowTransaction,
  which: SQL | undefined,
  most = 1,
): Promise<readonly RevokedApiKey[]> {
  const { apiKeys } = tables;
  const rows = await statements
    .select()
    .from(apiKeys)
    .where(which)
    .orderBy(asc(apiKeys.id))
    .limit(most)
    .for("no key update");
  const revoked = [];
  for (const row of rows) {
    const { id, companyId, expiresAt, revision } = row;
    const state = apiKeyState(row, companyId === null ? await selectKeyCompanies(statements, id) : []);
    const isGenuine = writer.isGenuine(state, row);
    if (isGenuine && state.revoked) {
      revoked.push({ id, companyId, expiresAt, revision });
      continue;
    }
    const beside = await writer.close({ ...state, revoked: true }, isGenuine);
    await statements
      .update(apiKeys)
      .set({ revokedAt: sql`coalesce(${apiKeys.revokedAt}, now())`, ...beside })
      .where(eq(apiKeys.id, id));
    revoked.push({ id, companyId, expiresAt, revision: beside.revision });
  }
  return revoked;
}

/** Of a company: its own keys, and the platform keys that may enter it. */
export function ofCompany(companyId: string) {
  return sql`(${tables.apiKeys.companyId} = ${companyId} or exists (select from ${tables.apiKeyCompanies} where ${tables.apiKeyCompanies.apiKeyId} = ${tables.apiKeys.id} and ${tables.apiKeyCompanies.companyId} = ${companyId}))`;
}

/** The subdomains that platform keys may enter, by key id. Deleted companies are left out. */
export async function selectPlatformSubdomains(
  statements: Statements,
  rows: readonly StoredApiKey[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const ids = rows.filter((row) => row.companyId === null).map((row) => row.id);
  if (ids.length === 0) return new Map();
  const links = await statements
    .select({ apiKeyId: tables.apiKeyCompanies.apiKeyId, subdomain: tables.companies.subdomain })
    .from(tables.apiKeyCompanies)
    .innerJoin(tables.companies, eq(tables.companies.id, tables.apiKeyCompanies.companyId))
    .where(and(inArray(tables.apiKeyCompanies.apiKeyId, ids), isNull(tables.companies.deletedAt)))
    .orderBy(tables.companies.subdomain);
  return new Map(
    ids.map((id) => [id, links.filter((link) => link.apiKeyId === id).map((link) => link.subdomain)]),
  );
}

/** @param makerName what its maker is called, where the reader may know it */
export function describeApiKey(
  row: StoredApiKey,
  subdomains: readonly string[],
  makerName?: string,
): ApiKeyDescription {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    platform: row.companyId === null,
    companies: subdomains,
    verbs: row.verbs,
    secretKeys: row.keyPatterns,
    addresses: row.addresses ?? undefined,
    createdBy: { kind: row.createdByKind, id: row.createdById, name: makerName },
    createdAt: row.createdAt,
    expiresAt: row.expiresAt,
    lastUsedAt: row.lastUsedAt ?? undefined,
    revokedAt: row.revokedAt ?? undefined,
  };
}
