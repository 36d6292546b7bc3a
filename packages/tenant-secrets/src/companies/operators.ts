import { randomUUID } from "node:crypto";
import { asc, eq } from "drizzle-orm";
import { z } from "zod";
import { tables } from "@repo/db";
import { operatorState } from "@repo/audit-log";
import {
  type Caller,
  type MadeKeys,
  type MakerLeaves,
  notFound,
  type OperatorDescription,
} from "@repo/catalog";
import { audited, type Operation, type Operations } from "../access/operation.ts";
import { makeCredential } from "./credential.ts";
import { keysOfMaker } from "./made-keys.ts";
import { createOperatorLinks, type OperatorLinks } from "./operator-links.ts";
import { findOrMakeUser } from "./members.ts";
import { checkNewOperator, requireAddress, revokeOperators } from "./operator-rows.ts";

export interface NewOperator {
  readonly name: string;
  /** At most 366 days from now. */
  readonly expiresAt: Date;
  /** The e-mail address of the person who holds the token, who needs no account. Approvals tell people apart by it. */
  readonly person?: string | undefined;
}

/**
 * Tokens of operators, and links of people. No permission is checked here, except by `listForOperator`, and the API does not reach the rest: the holder
 * of the maintenance connection has an operator's rights anyway, and the first operator has no token yet.
 */
export interface Operators extends OperatorLinks {
  /** @returns the token, shown this once @throws {TenantSecretsError} INVALID_INPUT */
  create(caller: Caller, operator: NewOperator): Promise<{ readonly id: string; readonly token: string }>;
  list(caller: Caller): Promise<readonly OperatorDescription[]>;
  /** As `list`, for the API. @throws {TenantSecretsError} FORBIDDEN */
  listForOperator(caller: Caller): Promise<readonly OperatorDescription[]>;
  /**
   * Revokes a token or a link at once. Idempotent.
   *
   * @returns the API keys that were made with it and were active
   * @throws {TenantSecretsError} NOT_FOUND
   */
  revoke(caller: Caller, id: string, options?: MakerLeaves): Promise<MadeKeys>;
}

const { users } = tables;

interface ListedRow {
  readonly operator: typeof tables.operators.$inferSelect;
  readonly user: Pick<typeof users.$inferSelect, "id" | "name" | "email"> | null;
}

export function createOperators(operations: Operations): Operators {
  const list = (operation: Operation): Promise<readonly OperatorDescription[]> =>
    operations.read(operation, async (across) => {
      const rows = await across((statements) =>
        statements
          .select({
            operator: tables.operators,
            user: { id: users.id, name: users.name, email: users.email },
          })
          .from(tables.operators)
          .leftJoin(users, eq(users.id, tables.operators.userId))
          .orderBy(asc(tables.operators.createdAt)),
      );
      return audited(rows.map(describe), {});
    });
  return {
    ...createOperatorLinks(operations),

    create: (caller, { name, expiresAt, person }) =>
      operations.change({ caller, action: "operator.create" }, async (transaction) => {
        const { statements, writer } = transaction;
        checkNewOperator(name, expiresAt);
        const userId =
          person === undefined ? null : await findOrMakeUser(transaction, requireAddress(person));
        const { text, prefix, hash } = makeCredential("tso");
        const made = {
          id: randomUUID(),
          tokenPrefix: prefix,
          tokenHash: hash,
          userId,
          expiresAt,
          revokedAt: null,
        };
        const beside = await writer.seal(operatorState(made));
        await statements.insert(tables.operators).values({ ...made, ...beside, name });
        return audited({ id: made.id, token: text }, { subject: made.id, version: beside.revision });
      }),

    list: (caller) => list({ caller, action: "operator.list" }),
    listForOperator: (caller) =>
      list({ caller, action: "operator.list", verb: "operators", to: "list operators" }),

    revoke: (caller, id, { revokeApiKeys: revoke } = {}) => {
      const subject = z.uuid().safeParse(id).data;
      return operations.change({ caller, action: "operator.revoke", subject }, async (transaction) => {
        if (subject === undefined) throw notFound();
        const [row] = await revokeOperators(transaction, eq(tables.operators.id, subject));
        if (row === undefined) throw notFound();
        const maker = { kind: "operator", id: subject, revoke } as const;
        const { result, events } = await keysOfMaker(transaction, maker);
        return audited(result, [{ version: row.revision }, ...events]);
      });
    },
  };
}

function describe({ operator, user }: ListedRow): OperatorDescription {
  const { id, name, tokenPrefix, createdAt, expiresAt, revokedAt } = operator;
  return {
    id,
    name,
    prefix: tokenPrefix ?? undefined,
    user: user ?? undefined,
    createdAt,
    expiresAt,
    revokedAt: revokedAt ?? undefined,
  };
}
