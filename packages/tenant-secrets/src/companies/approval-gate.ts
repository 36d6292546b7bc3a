import { randomUUID } from "node:crypto";
import { and, desc, eq, gt, isNotNull, sql } from "drizzle-orm";
import { tables } from "@repo/db";
import { approvalState } from "@repo/audit-log";
import {
  type ApprovalParameters,
  approvalRequired,
  type ApprovedAction,
  type Caller,
  TenantSecretsError,
  unauthenticated,
} from "@repo/catalog";
import {
  audited,
  type Audited,
  type EventDetails,
  type Steps,
  type Transaction,
} from "../access/operation.ts";
import {
  areTwoPeople,
  changeApproval,
  findOperator,
  isInForce,
  isValidOperator,
  type ApprovalRow,
  type OperatorRow,
} from "./approval-rows.ts";

const { approvals, operators } = tables;

/** How many operators an act that cannot be undone takes. */
export type OperatorsRequired = 1 | 2;

/** An act that cannot be undone. It is approved with these parameters and no others. */
export interface IrreversibleAct<C, T> {
  readonly caller: Caller;
  readonly action: ApprovedAction;
  readonly parameters: ApprovalParameters;
  readonly companyId?: string | undefined;
  /**
   * Whether an approval that was used admits the same call of the same operator again until it expires: for acts that have a part
   * outside the database, which the call only finishes.
   */
  readonly mayFinish: boolean;
  /** Runs first, so that a request is made for nothing that would fail. */
  readonly check: (transaction: Transaction) => Promise<C>;
  /** @param approvedBy the id of the operator who approved it; undefined where one operator acts alone */
  readonly act: (transaction: Transaction, checked: C, approvedBy: string | undefined) => Promise<Audited<T>>;
}

/** The way to acts that cannot be undone: each waits for another operator's approval within 24 hours. */
export interface ApprovalGate {
  /**
   * One transaction of an operation. With an approval, it does the act and uses the approval up: both commit, or neither. Without
   * one, it makes a request instead, or finds the open one.
   *
   * @throws {TenantSecretsError} APPROVAL_REQUIRED with the id of the request; UNAUTHENTICATED if the caller's token is no longer
   *   valid; the errors of `check`, `act` and the database
   */
  commit<C, T>(steps: Pick<Steps, "commit">, act: IrreversibleAct<C, T>): Promise<T>;
  /**
   * Whether an act that was admitted for a later time may be done now: its approval is genuine, and neither of the two operators was
   * revoked or disabled since. That their access has expired changes nothing.
   *
   * @returns the id of the operator who approved it; undefined where one operator acts alone
   * @throws {TenantSecretsError} CONFLICT
   */
  confirm(transaction: Transaction, admitted: AdmittedAct): Promise<string | undefined>;
}

/** An act that `commit` admitted, and that is done later. */
export interface AdmittedAct extends Pick<IrreversibleAct<unknown, unknown>, "action" | "parameters"> {
  /** The id of the operator who asked. */
  readonly requester: string;
}

/** Hours: two people of one team meet within a day, and an approval that was forgotten does not wait for a thief. */
const lifeHours = 24;

type Passage =
  | {
      readonly passes: true;
      readonly approvedBy: string | undefined;
      readonly events: readonly EventDetails[];
    }
  | { readonly passes: false; readonly request: ApprovalRow; readonly events: readonly EventDetails[] };

type Outcome<T> =
  | { readonly done: true; readonly result: T }
  | { readonly done: false; readonly request: ApprovalRow };

/** @param required with 1, each act is audited as one that no other operator approved */
export function createApprovalGate(required: OperatorsRequired): ApprovalGate {
  return {
    commit: async <C, T>(steps: Pick<Steps, "commit">, act: IrreversibleAct<C, T>): Promise<T> => {
      const outcome = await steps.commit<Outcome<T>>(async (transaction) => {
        const checked = await act.check(transaction);
        const passage = required === 1 ? waived(act) : await passageOf(transaction, act);
        if (!passage.passes) return audited({ done: false, request: passage.request }, passage.events);
        const { result, events } = await act.act(transaction, checked, passage.approvedBy);
        return audited({ done: true, result }, [...events, ...passage.events]);
      });
      if (!outcome.done) throw approvalRequired(outcome.request);
      return outcome.result;
    },
    confirm: async ({ statements, writer }, { requester, action, parameters }) => {
      const asker = await findOperator(statements, requester);
      if (asker !== undefined && !isInForce(writer, asker)) throw noLongerApproved();
      if (required === 1) return undefined;
      if (asker === undefined) throw noLongerApproved();
      const rows = await statements
        .select()
        .from(approvals)
        .where(
          and(
            eq(approvals.requestedBy, requester),
            eq(approvals.action, action),
            eq(approvals.parameters, textOf(parameters)),
            isNotNull(approvals.usedAt),
          ),
        )
        .orderBy(desc(approvals.usedAt));
      for (const row of rows) {
        if (row.givenBy === null) continue;
        if (!writer.isGenuine(approvalState(row), row)) continue;
        if (await countsStill({ statements, writer }, row.givenBy, asker.operator)) return row.givenBy;
      }
      throw noLongerApproved();
    },
  };
}

type Asked = Pick<
  IrreversibleAct<unknown, unknown>,
  "caller" | "action" | "parameters" | "companyId" | "mayFinish"
>;

function waived({ companyId }: Asked): Passage {
  return { passes: true, approvedBy: undefined, events: [{ action: "approval.waive", companyId }] };
}

async function passageOf(transaction: Transaction, asked: Asked): Promise<Passage> {
  const requester = await lockRequester(transaction, asked.caller);
  let waiting: ApprovalRow | undefined;
  for (const row of await lockRequests(transaction, asked)) {
    if (row.refusedBy !== null) continue;
    if (row.usedAt !== null) {
      if (asked.mayFinish) return { passes: true, approvedBy: row.givenBy ?? undefined, events: [] };
    } else if (row.givenBy === null) {
      waiting ??= row;
    } else if (await countsStill(transaction, row.givenBy, requester)) {
      const used = await changeApproval(transaction, row, { usedAt: new Date() });
      return { passes: true, approvedBy: row.givenBy, events: [eventOf("approval.use", used, asked)] };
    }
  }
  if (waiting !== undefined) return { passes: false, request: waiting, events: [] };
  const request = await insertRequest(transaction, requester, asked);
  return { passes: false, request, events: [eventOf("approval.request", request, asked)] };
}

/** The lock serialises the calls of one operator: two at once find one request, and use one approval once. */
async function lockRequester({ statements, writer }: Transaction, { actor }: Caller): Promise<OperatorRow> {
  const found = await findOperator(statements, actor.id);
  if (found === undefined) throw unauthenticated();
  await statements
    .select({ id: operators.id })
    .from(operators)
    .where(eq(operators.id, found.operator.id))
    .for("no key update");
  // Read after the lock: it may have been revoked meanwhile.
  const locked = await findOperator(statements, actor.id);
  if (!isValidOperator(writer, locked)) throw unauthenticated();
  return locked.operator;
}

/** The genuine requests of the caller for exactly this act that have not expired, the newest first. */
async function lockRequests(
  { statements, writer }: Transaction,
  { caller, action, parameters }: Asked,
): Promise<readonly ApprovalRow[]> {
  const rows = await statements
    .select()
    .from(approvals)
    .where(
      and(
        eq(approvals.requestedBy, caller.actor.id),
        eq(approvals.action, action),
        eq(approvals.parameters, textOf(parameters)),
        gt(approvals.expiresAt, sql`now()`),
      ),
    )
    .orderBy(desc(approvals.requestedAt), desc(approvals.id))
    .for("no key update");
  return rows.filter((row) => writer.isGenuine(approvalState(row), row));
}

/**
 * Whether the operator who gave an approval is another person, and was neither revoked nor disabled since: their access may have been
 * in other hands. That it has expired changes nothing.
 */
async function countsStill(
  { statements, writer }: Pick<Transaction, "statements" | "writer">,
  givenBy: string,
  requester: OperatorRow,
): Promise<boolean> {
  const giver = await findOperator(statements, givenBy);
  return giver !== undefined && areTwoPeople(giver.operator, requester) && isInForce(writer, giver);
}

function noLongerApproved(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "Of the operators who asked for this and approved it, one is no longer an operator. Nothing was destroyed: end it, and ask for it again.",
  );
}

async function insertRequest(
  { statements, writer }: Transaction,
  requester: OperatorRow,
  { action, parameters }: Asked,
): Promise<ApprovalRow> {
  const [clock] = await statements
    .select({ now: sql<number>`floor(extract(epoch from now()) * 1000)::float8` })
    .from(operators)
    .limit(1);
  if (clock === undefined) throw new Error("the requester has a row");
  const requestedAt = new Date(clock.now);
  const request = {
    id: randomUUID(),
    action,
    parameters: textOf(parameters),
    requestedBy: requester.id,
    requestedAt,
    expiresAt: new Date(requestedAt.getTime() + lifeHours * 3_600_000),
    givenBy: null,
    givenAt: null,
    refusedBy: null,
    refusedAt: null,
    usedAt: null,
  };
  const row = { ...request, ...(await writer.seal(approvalState(request))) };
  await statements.insert(approvals).values(row);
  return row;
}

function eventOf(
  action: "approval.request" | "approval.use",
  { id, revision }: ApprovalRow,
  { companyId }: Asked,
): EventDetails {
  return { action, subject: id, version: revision, companyId };
}

/** Names in a fixed order, so that equal parameters are equal texts. */
function textOf(parameters: ApprovalParameters): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(parameters).toSorted(([a], [b]) => (a < b ? -1 : 1))),
  );
}
