import { eq, inArray, sql } from "drizzle-orm";
import { z } from "zod";
import { tables, type Statements } from "@repo/db";
import { approvalState, operatorState, userState } from "@repo/audit-log";
import { ApprovalParameters, type ApprovalDescription } from "@repo/catalog";
import type { RowWriter } from "../access/authentic-rows.ts";
import type { Transaction } from "../access/operation.ts";

const { approvals, operators, users } = tables;

export type ApprovalRow = typeof approvals.$inferSelect;
export type OperatorRow = typeof operators.$inferSelect;

export interface FoundOperator {
  readonly operator: OperatorRow;
  /** Whom the token names, or who is linked. */
  readonly person: typeof users.$inferSelect | null;
  readonly active: boolean;
}

export const hasExpired = sql<boolean>`${approvals.expiresAt} <= now()`;
const isActive = sql<boolean>`${operators.revokedAt} is null and ${operators.expiresAt} > now()`;

/** @returns undefined for an id that names no operator */
export async function findOperator(statements: Statements, id: string): Promise<FoundOperator | undefined> {
  if (!z.uuid().safeParse(id).success) return undefined;
  const [row] = await statements
    .select({ operator: operators, person: users, active: isActive })
    .from(operators)
    .leftJoin(users, eq(users.id, operators.userId))
    .where(eq(operators.id, id));
  return row;
}

/** Whether an operator may act now: the rows are genuine, nothing is revoked or expired, and the person is not disabled. */
export function isValidOperator(
  writer: RowWriter,
  found: FoundOperator | undefined,
): found is FoundOperator & { readonly active: true } {
  return found !== undefined && found.active && isInForce(writer, found);
}

/** As `isValidOperator`, of an operator whose access may have expired. */
export function isInForce(writer: RowWriter, { operator, person }: FoundOperator): boolean {
  const state = operatorState(operator);
  if (state.revoked || !writer.isGenuine(state, operator)) return false;
  if (operator.userId === null) return true;
  return person !== null && person.disabledAt === null && writer.isGenuine(userState(person), person);
}

/**
 * Whether two operators are two people, as far as it is known. Two tokens that name no person count as two. A token that names no
 * person and an operator whose person is known count as one: that person may hold the token.
 */
export function areTwoPeople(one: OperatorRow, other: OperatorRow): boolean {
  if (one.userId === null && other.userId === null) return one.id !== other.id;
  return one.userId !== null && other.userId !== null && one.userId !== other.userId;
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
