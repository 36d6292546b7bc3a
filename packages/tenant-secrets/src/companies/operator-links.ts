import { randomUUID } from "node:crypto";
import { and, eq, isNull } from "drizzle-orm";
import { tables } from "@repo/db";
import { operatorState } from "@repo/audit-log";
import { type Caller, type MadeKeys, type MakerLeaves, notFound, TenantSecretsError } from "@repo/catalog";
import { audited, type Operations } from "../access/operation.ts";
import { keysOfMaker } from "./made-keys.ts";
import { findOrMakeUser, parseAddress } from "./members.ts";
import { checkNewOperator, requireAddress, revokeOperators } from "./operator-rows.ts";

const { operators, users } = tables;

export interface NewOperatorLink {
  readonly email: string;
  /** Default: the e-mail address. */
  readonly name?: string | undefined;
  /** At most 366 days from now. */
  readonly expiresAt: Date;
}

/** Links of people, who act as operators with their session. As for tokens, no permission is checked here. */
export interface OperatorLinks {
  /**
   * Links a person, who needs no account yet. Linking a person again changes name and expiry, and keeps the operator's id.
   *
   * @throws {TenantSecretsError} INVALID_INPUT; INTEGRITY_FAILURE where a link of the person is not genuine: unlink them first
   */
  link(
    caller: Caller,
    link: NewOperatorLink,
  ): Promise<{ readonly id: string; readonly userId: string; readonly email: string }>;
  /**
   * Ends a person's link at once.
   *
   * @returns the operator's id, and the API keys that the person made as operator and were active
   * @throws {TenantSecretsError} NOT_FOUND for a person without a link
   */
  unlink(caller: Caller, email: string, options?: MakerLeaves): Promise<MadeKeys & { readonly id: string }>;
}

export function createOperatorLinks(operations: Operations): OperatorLinks {
  const ofPerson = (userId: string) =>
    and(eq(operators.userId, userId), isNull(operators.tokenHash), isNull(operators.revokedAt));
  return {
    link: (caller, { email: given, name, expiresAt }) => {
      const violations = { operators_linked: linkedMeanwhile };
      const operation = { caller, action: "operator.link", violations } as const;
      return operations.change(operation, async (transaction) => {
        const { statements, writer } = transaction;
        const email = requireAddress(given);
        const called = name ?? email.slice(0, 100);
        checkNewOperator(called, expiresAt);
        const userId = await findOrMakeUser(transaction, email);
        const [row] = await statements.select().from(operators).where(ofPerson(userId)).for("no key update");
        const made = { tokenPrefix: null, tokenHash: null, userId, expiresAt, revokedAt: null };
        const id = row?.id ?? randomUUID();
        if (row !== undefined) writer.require(operatorState(row), row);
        const beside = await writer.seal(operatorState({ id, ...made }));
        const changed = { ...made, ...beside, name: called };
        if (row === undefined) await statements.insert(operators).values({ id, ...changed });
        else await statements.update(operators).set(changed).where(eq(operators.id, id));
        return audited({ id, userId, email }, { subject: id, version: beside.revision });
      });
    },

    unlink: (caller, given, { revokeApiKeys: revoke } = {}) =>
      operations.change({ caller, action: "operator.unlink" }, async (transaction) => {
        const [user] = await transaction.statements
          .select({ id: users.id })
          .from(users)
          .where(eq(users.email, parseAddress(given) ?? ""));
        if (user === undefined) throw notFound();
        const [row] = await revokeOperators(transaction, ofPerson(user.id));
        if (row === undefined) throw notFound();
        const maker = { kind: "operator", id: row.id, revoke } as const;
        const { result, events } = await keysOfMaker(transaction, maker);
        return audited({ id: row.id, ...result }, [{ subject: row.id, version: row.revision }, ...events]);
      }),
  };
}

function linkedMeanwhile(): TenantSecretsError {
  return new TenantSecretsError("CONFLICT", "This person was linked by another call at the same time.");
}
