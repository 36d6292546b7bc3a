import { asc, eq, gt, sql, type SQL } from "drizzle-orm";
import { tables, type Authenticated, type Statements } from "@repo/db";
import type { RowState } from "@repo/envelope";

const { apiKeyCompanies, apiKeys, approvals, companies, invitations, memberships, operators, users } = tables;
const { companyRegions, regions } = tables;

/** A stored row that decides who may read. */
export interface StoredRow {
  readonly state: RowState;
  readonly beside: Authenticated;
}

/** A table whose rows decide who may read. */
export interface RowTable {
  readonly kind: RowState["kind"];
  /** The rows after one, in the order of their primary keys. */
  select(statements: Statements, after: StoredRow | undefined, limit: number): Promise<StoredRow[]>;
  /** Stores new MACs beside rows whose revision is still the one that each MAC authenticates. */
  remac(statements: Statements, rows: readonly StoredRow[]): Promise<void>;
}

/** The primary keys of rows, with their new MACs. */
function newMacs(rows: readonly StoredRow[]): SQL {
  const list = rows.map(({ state, beside }) => ({
    ...keyOf(state),
    revision: beside.revision,
    key_version: beside.macKeyVersion,
    new_mac: beside.mac.toString("hex"),
  }));
  return sql`json_to_recordset(${JSON.stringify(list)}::json) as r (id uuid, user_id uuid, region text, revision integer, key_version smallint, new_mac text)`;
}

function keyOf(state: RowState): Readonly<Record<string, string>> {
  switch (state.kind) {
    case "membership":
      return { id: state.companyId, user_id: state.userId };
    case "company-region":
      return { id: state.companyId, region: state.region };
    case "region":
      return { region: state.region };
    default:
      return { id: state.id };
  }
}

function remacIn(table: SQL, isRow: SQL): RowTable["remac"] {
  return async (statements, rows) => {
    await statements.execute(sql`
      update ${table} t set mac_key_version = r.key_version, mac = decode(r.new_mac, 'hex') from ${newMacs(rows)}
      where ${isRow} and t.revision = r.revision`);
  };
}

function besideOf({ revision, macKeyVersion, mac }: Authenticated): Authenticated {
  return { revision, macKeyVersion, mac };
}

function idOf(row: StoredRow | undefined): string | undefined {
  return row === undefined ? undefined : keyOf(row.state)["id"];
}

const sameId = sql`t.id = r.id`;

/** The tables whose rows have a MAC. A row without a genuine MAC is ignored. */
export const rowTables: readonly RowTable[] = [
  {
    kind: "company",
    select: async (statements, after, limit) => {
      const last = idOf(after);
      const rows = await statements
        .select()
        .from(companies)
        .where(last === undefined ? undefined : gt(companies.id, last))
        .orderBy(asc(companies.id))
        .limit(limit);
      return rows.map((row) => ({ state: { kind: "company", ...row }, beside: besideOf(row) }));
    },
    remac: remacIn(sql`${companies}`, sameId),
  },
  {
    kind: "api-key",
    select: async (statements, after, limit) => {
      const last = idOf(after);
      const rows = await statements
        .select({
          row: apiKeys,
          companyIds: sql<
            string[]
          >`array(select l.company_id::text from ${apiKeyCompanies} l where l.api_key_id = ${apiKeys.id})`,
        })
        .from(apiKeys)
        .where(last === undefined ? undefined : gt(apiKeys.id, last))
        .orderBy(asc(apiKeys.id))
        .limit(limit);
      return rows.map(({ row, companyIds }) => ({
        state: apiKeyState(row, companyIds),
        beside: besideOf(row),
      }));
    },
    remac: remacIn(sql`${apiKeys}`, sameId),
  },
  {
    kind: "operator",
    select: async (statements, after, limit) => {
      const last = idOf(after);
      const rows = await statements
        .select()
        .from(operators)
        .where(last === undefined ? undefined : gt(operators.id, last))
        .orderBy(asc(operators.id))
        .limit(limit);
      return rows.map((row) => ({ state: operatorState(row), beside: besideOf(row) }));
    },
    remac: remacIn(sql`${operators}`, sameId),
  },
  {
    kind: "user",
    select: async (statements, after, limit) => {
      const last = idOf(after);
      const rows = await statements
        .select()
        .from(users)
        .where(last === undefined ? undefined : gt(users.id, last))
        .orderBy(asc(users.id))
        .limit(limit);
      return rows.map((row) => ({ state: userState(row), beside: besideOf(row) }));
    },
    remac: remacIn(sql`${users}`, sameId),
  },
  {
    kind: "membership",
    select: async (statements, after, limit) => {
      const last = after?.state.kind === "membership" ? after.state : undefined;
      const rows = await statements
        .select()
        .from(memberships)
        .where(
          last &&
            sql`(${memberships.companyId}, ${memberships.userId}) > (${last.companyId}::uuid, ${last.userId}::uuid)`,
        )
        .orderBy(asc(memberships.companyId), asc(memberships.userId))
        .limit(limit);
      return rows.map((row) => ({ state: { kind: "membership", ...row }, beside: besideOf(row) }));
    },
    remac: remacIn(sql`${memberships}`, sql`t.company_id = r.id and t.user_id = r.user_id`),
  },
  {
    kind: "invitation",
    select: async (statements, after, limit) => {
      const last = idOf(after);
      const rows = await statements
        .select()
        .from(invitations)
        .where(last === undefined ? undefined : gt(invitations.id, last))
        .orderBy(asc(invitations.id))
        .limit(limit);
      return rows.map((row) => ({ state: invitationState(row), beside: besideOf(row) }));
    },
    remac: remacIn(sql`${invitations}`, sameId),
  },
  {
    kind: "approval",
    select: async (statements, after, limit) => {
      const last = idOf(after);
      const rows = await statements
        .select()
        .from(approvals)
        .where(last === undefined ? undefined : gt(approvals.id, last))
        .orderBy(asc(approvals.id))
        .limit(limit);
      return rows.map((row) => ({ state: approvalState(row), beside: besideOf(row) }));
    },
    remac: remacIn(sql`${approvals}`, sameId),
  },
  {
    kind: "region",
    select: async (statements, after, limit) => {
      const last = after && keyOf(after.state)["region"];
      const rows = await statements
        .select()
        .from(regions)
        .where(last === undefined ? undefined : gt(regions.region, last))
        .orderBy(asc(regions.region))
        .limit(limit);
      return rows.map((row) => ({ state: regionState(row), beside: besideOf(row) }));
    },
    remac: remacIn(sql`${regions}`, sql`t.region = r.region`),
  },
  {
    kind: "company-region",
    select: async (statements, after, limit) => {
      const last = after?.state.kind === "company-region" ? after.state : undefined;
      const rows = await statements
        .select()
        .from(companyRegions)
        .where(
          last &&
            sql`(${companyRegions.companyId}, ${companyRegions.region}) > (${last.companyId}, ${last.region})`,
        )
        .orderBy(asc(companyRegions.companyId), asc(companyRegions.region))
        .limit(limit);
      return rows.map(({ companyId, region, ...row }) => ({
        state: { kind: "company-region", companyId, region },
        beside: besideOf(row),
      }));
    },
    remac: remacIn(sql`${companyRegions}`, sql`t.company_id = r.id and t.region = r.region`),
  },
];

type StoredRegion = Omit<typeof regions.$inferSelect, "createdAt" | keyof Authenticated>;

export function regionState({ removedAt, ...state }: StoredRegion) {
  return { kind: "region", ...state, removed: removedAt !== null } as const;
}

type StoredInvitation = Omit<typeof invitations.$inferSelect, "createdAt" | keyof Authenticated>;

export function invitationState({ expiresAt, acceptedAt, revokedAt, ...state }: StoredInvitation) {
  const closed = acceptedAt !== null || revokedAt !== null;
  return { kind: "invitation", ...state, expiresAtMs: expiresAt.getTime(), closed } as const;
}

type StoredApproval = Pick<
  typeof approvals.$inferSelect,
  "id" | "action" | "parameters" | "requestedBy" | "expiresAt" | "givenBy" | "refusedBy" | "usedAt"
>;

export function approvalState({ expiresAt, usedAt, ...row }: StoredApproval) {
  const { id, action, parameters, requestedBy, givenBy, refusedBy } = row;
  return {
    kind: "approval",
    id,
    action,
    parameters,
    requestedBy,
    expiresAtMs: expiresAt.getTime(),
    givenBy,
    refusedBy,
    used: usedAt !== null,
  } as const;
}

type StoredApiKey = Omit<
  typeof apiKeys.$inferSelect,
  "name" | "createdAt" | "lastUsedAt" | keyof Authenticated
>;

/** @param companyIds the companies of a platform key, from `api_key_companies` */
export function apiKeyState(row: StoredApiKey, companyIds: readonly string[]) {
  const { expiresAt, revokedAt, ...state } = row;
  return {
    kind: "api-key",
    ...state,
    companyIds,
    expiresAtMs: expiresAt.getTime(),
    revoked: revokedAt !== null,
  } as const;
}

export async function selectKeyCompanies(statements: Statements, apiKeyId: string): Promise<string[]> {
  const links = await statements
    .select({ companyId: apiKeyCompanies.companyId })
    .from(apiKeyCompanies)
    .where(eq(apiKeyCompanies.apiKeyId, apiKeyId));
  return links.map(({ companyId }) => companyId);
}

type StoredOperator = Pick<
  typeof operators.$inferSelect,
  "id" | "tokenPrefix" | "tokenHash" | "userId" | "expiresAt" | "revokedAt"
>;

export function operatorState({ id, tokenPrefix, tokenHash, userId, expiresAt, revokedAt }: StoredOperator) {
  return {
    kind: "operator",
    id,
    tokenPrefix,
    tokenHash,
    userId,
    expiresAtMs: expiresAt.getTime(),
    revoked: revokedAt !== null,
  } as const;
}

export function userState({
  id,
  email,
  disabledAt,
}: Pick<typeof users.$inferSelect, "id" | "email" | "disabledAt">) {
  return { kind: "user", id, email, disabled: disabledAt !== null } as const;
}
