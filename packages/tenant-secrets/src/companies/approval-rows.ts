import { eq, inArray, sql } from "drizzle-orm";
import { z } from "zod";
import { tables, type Statements } from "@repo/db";
import { approvalState, operatorState } from "@repo/audit-log";
import { ApprovalParameters, type ApprovalDescription } from "@repo/catalog";
import type { RowWriter } from "../access/authentic-rows.ts";
import type { Transaction } from "../access/operation.ts";

const { approvals, operators } = tables;

export type ApprovalRow = typeof approvals.$inferSelect;
export type OperatorRow = typeof operators.$inferSelect;

export const hasExpired = sql<boolean>`${approvals.expiresAt} <= now()`;
const isActive = sql<boolean>`${operators.revokedAt} is null and ${operators.expiresAt} > now()`;

/** @returns undefined for an id that names no operator */
export async function findOperator(
  statements: Statements,
  id: string,
): Promise<{ readonly operator: OperatorRow; readonly active: boolean } | undefined> {
  if (!z.uuid().safeParse(id).success) return undefined;
  const [row] = await statements
    .select({ operator: operators, active: isActive })
    .from(operators)
    .where(eq(operators.id, id));
  return row;
}

/** Whether the token of an operator is valid now: the row is genuine, and neither revoked nor expired. */
export function isValidOperator(
  writer: RowWriter,
  found: { readonly operator: OperatorRow; readonly active: boolean } | undefined,
): found is { readonly operator: OperatorRow; readonly active: true } {
  if (found === undefined) return false;
  return writer.isGenuine(operatorState(found.operator), found.operator) && found.active;
}

/** Whether two tokens are of one person, as far as it is known: tokens that are linked to nobody are of different ones. */
export function isSamePerson(one: OperatorRow, other: OperatorRow): boolean {
  return one.id === other.id;
}

/** Changes a row that is locked and genuine. */
export async function changeApproval(
  { statements, writer }: Transaction,
  row: ApprovalRow,
  change: Partial<Pick<ApprovalRow, "givenBy" | "givenAt" | "refusedBy" | "refusedAt" | "usedAt">>,
): Promise<ApprovalRow> {
  const changed = { ...row, ...change };
  const beside = await writer.seal(approvalState(changed));
  await statements
    .update(approvals)
    .set({ ...change, ...beside })
    .where(eq(approvals.id, row.id));
  return { ...changed, ...beside };
}

/** Names are for people to read: no MAC covers them. */
export async function describeApprovals(
  statements: Statements,
  rows: readonly { readonly approval: ApprovalRow; readonly expired: boolean }[],
): Promise<ApprovalDescription[]> {
  const ids = rows.flatMap(({ approval: { requestedBy, givenBy, refusedBy } }) =>
    [requestedBy, givenBy, refusedBy].filter((id) => id !== null),
  );
  const named = await statements
    .select({ id: operators.id, name: operators.name })
    .from(operators)
    .where(inArray(operators.id, ids));
  const names = new Map(named.map(({ id, name }) => [id, name]));
  const person = (id: string) => ({ id, name: names.get(id) ?? "" });
  return rows.map(({ approval, expired }) => ({
    id: approval.id,
    action: approval.action,
    parameters: ApprovalParameters.parse(JSON.parse(approval.parameters)),
    requestedBy: person(approval.requestedBy),
    requestedAt: approval.requestedAt,
    expiresAt: approval.expiresAt,
    state: stateOf(approval, expired),
    ...(approval.givenBy !== null && { givenBy: person(approval.givenBy) }),
    ...(approval.refusedBy !== null && { refusedBy: person(approval.refusedBy) }),
  }));
}

/** Of the columns that the MAC covers alone. */
export function stateOf(
  { usedAt, refusedBy, givenBy }: ApprovalRow,
  expired: boolean,
): ApprovalDescription["state"] {
  if (usedAt !== null) return "used";
  if (refusedBy !== null) return "refused";
  if (expired) return "expired";
  return givenBy === null ? "waiting" : "given";
}
