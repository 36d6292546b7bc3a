import { desc, eq } from "drizzle-orm";
import { tables } from "@repo/db";
import { approvalState } from "@repo/audit-log";
import { type ApprovalDescription, type Caller, notFound, TenantSecretsError } from "@repo/catalog";
import type { AuthenticRows } from "../access/authentic-rows.ts";
import { audited, type Operations, type Transaction } from "../access/operation.ts";
import {
  areTwoPeople,
  changeApproval,
  describeApprovals,
  findOperator,
  hasExpired,
  isValidOperator,
  stateOf,
  type ApprovalRow,
  type OperatorRow,
} from "./approval-rows.ts";

const { approvals } = tables;

/** The answers of operators to each other's requests, which `ApprovalGate` makes. */
export interface Approvals {
  /** The newest 100 that are genuine. @throws {TenantSecretsError} FORBIDDEN */
  list(caller: Caller): Promise<readonly ApprovalDescription[]>;
  /**
   * @throws {TenantSecretsError} FORBIDDEN, also for the person who asks, and where one of the two operators names a person and the other none; NOT_FOUND; CONFLICT if it was answered, has expired, or
   *   its requester's token is no longer valid; INTEGRITY_FAILURE if the row is not genuine
   */
  give(caller: Caller, id: string): Promise<ApprovalDescription>;
  /** Final, for given ones as well. @throws as `give`, but not for the person who asks */
  refuse(caller: Caller, id: string): Promise<ApprovalDescription>;
}

const toAnswer = { verb: "operators", to: "answer requests for approval" } as const;

export function createApprovals({
  operations,
  authentic,
}: Readonly<{ operations: Operations; authentic: Pick<AuthenticRows, "accepts"> }>): Approvals {
  const answer = (
    caller: Caller,
    id: string,
    action: "approval.give" | "approval.refuse",
  ): Promise<ApprovalDescription> =>
    operations.change({ caller, action, subject: id, ...toAnswer }, async (transaction) => {
      const gives = action === "approval.give";
      const row = await lockOpen(transaction, id, gives);
      const by = await requireAnswerer(transaction, caller, gives ? row : undefined);
      const changed = await changeApproval(
        transaction,
        row,
        gives ? { givenBy: by, givenAt: new Date() } : { refusedBy: by, refusedAt: new Date() },
      );
      const [description] = await describeApprovals(transaction.statements, [
        { approval: changed, expired: false },
      ]);
      if (description === undefined) throw new Error("each row has a description");
      return audited(description, { version: changed.revision });
    });

  return {
    list: (caller) =>
      operations.read(
        { caller, action: "approval.list", ...toAnswer, to: "list requests for approval" },
        async (across) => {
          const rows = await across((statements) =>
            statements
              .select({ approval: approvals, expired: hasExpired })
              .from(approvals)
              .orderBy(desc(approvals.requestedAt), desc(approvals.id))
              .limit(100),
          );
          const genuine: typeof rows = [];
          for (const row of rows)
            if (await authentic.accepts(approvalState(row.approval), row.approval)) genuine.push(row);
          return audited(await across((statements) => describeApprovals(statements, genuine)), {});
        },
      ),
    give: (caller, id) => answer(caller, id, "approval.give"),
    refuse: (caller, id) => answer(caller, id, "approval.refuse"),
  };
}

/** @returns a genuine row, locked, that can be given or refused */
async function lockOpen(
  { statements, writer }: Transaction,
  id: string,
  gives: boolean,
): Promise<ApprovalRow> {
  const [found] = await statements
    .select({ approval: approvals, expired: hasExpired })
    .from(approvals)
    .where(eq(approvals.id, id))
    .for("no key update");
  if (found === undefined) throw notFound();
  const { approval, expired } = found;
  writer.require(approvalState(approval), approval);
  const state = stateOf(approval, expired);
  if (state === "waiting" || (state === "given" && !gives)) return approval;
  throw closed(`${states[state]} already`);
}

const states = {
  given: "was approved",
  refused: "was refused",
  used: "was used",
  expired: "has expired",
} as const;

/**
 * The operator who answers: their token was valid when they called, and is still.
 *
 * @param asked the request that is to be approved, which its own requester may not do
 */
async function requireAnswerer(
  { statements, writer }: Transaction,
  { actor }: Caller,
  asked: ApprovalRow | undefined,
): Promise<string> {
  const answerer = await findOperator(statements, actor.id);
  if (!isValidOperator(writer, answerer)) throw notYours("with a token that is valid no longer");
  if (asked === undefined) return answerer.operator.id;
  const requester = await findOperator(statements, asked.requestedBy);
  if (!isValidOperator(writer, requester)) throw closed("is of an operator whose token is no longer valid");
  requireAnotherPerson(answerer.operator, requester.operator);
  return answerer.operator.id;
}

function requireAnotherPerson(answerer: OperatorRow, requester: OperatorRow): void {
  if (areTwoPeople(answerer, requester)) return;
  const bothNamed = answerer.userId !== null && requester.userId !== null;
  throw notYours(
    bothNamed || answerer.id === requester.id
      ? "by the person who asks: another operator has to approve it"
      : "where it is known of one operator alone who they are: make the token of the other one with --person",
  );
}

function notYours(why: string): TenantSecretsError {
  return new TenantSecretsError("FORBIDDEN", `This request cannot be answered ${why}.`);
}

function closed(why: string): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    `This request ${why}: make the call that asks for the approval again, which makes another request.`,
  );
}
