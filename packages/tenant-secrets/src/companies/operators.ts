import { randomUUID } from "node:crypto";
import { asc, eq, sql, type SQL } from "drizzle-orm";
import { z } from "zod";
import { tables } from "@repo/db";
import { operatorState } from "@repo/audit-log";
import {
  type Caller,
  type MadeKeys,
  type MakerLeaves,
  displayNameRule,
  isDisplayName,
  notFound,
  type OperatorDescription,
  TenantSecretsError,
} from "@repo/catalog";
import { audited, type Operation, type Operations, type Transaction } from "../access/operation.ts";
import { makeCredential } from "./credential.ts";
import { keysOfMaker } from "./made-keys.ts";

/**
 * Tokens of operators. No permission is checked here, except by `listForOperator`, and the API does not reach the rest: the holder
 * of the maintenance connection has an operator's rights anyway, and the first operator has no token yet.
 */
export interface Operators {
  /**
   * @param expiresAt at most 366 days from now
   * @returns the token, shown this once
   * @throws {TenantSecretsError} INVALID_INPUT
   */
  create(
    caller: Caller,
    name: string,
    expiresAt: Date,
  ): Promise<{ readonly id: string; readonly token: string }>;
  list(caller: Caller): Promise<readonly OperatorDescription[]>;
  /** As `list`, for the API. @throws {TenantSecretsError} FORBIDDEN */
  listForOperator(caller: Caller): Promise<readonly OperatorDescription[]>;
  /**
   * Revokes a token at once. Idempotent.
   *
   * @returns the API keys that were made with it and were active
   * @throws {TenantSecretsError} NOT_FOUND
   */
  revoke(caller: Caller, id: string, options?: MakerLeaves): Promise<MadeKeys>;
}

const longestLifeMs = 366 * 24 * 3600 * 1000;

export function createOperators(operations: Operations): Operators {
  const list = (operation: Operation): Promise<readonly OperatorDescription[]> =>
    operations.read(operation, async (across) => {
      const rows = await across((statements) =>
        statements.select().from(tables.operators).orderBy(asc(tables.operators.createdAt)),
      );
      return audited(rows.map(describe), {});
    });
  return {
    create: (caller, name, expiresAt) =>
      operations.change({ caller, action: "operator.create" }, async ({ statements, writer }) => {
        checkNewOperator(name, expiresAt);
        const { text, prefix, hash } = makeCredential("tso");
        const made = { id: randomUUID(), tokenPrefix: prefix, tokenHash: hash, expiresAt, revokedAt: null };
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

function describe(row: typeof tables.operators.$inferSelect): OperatorDescription {
  const { id, name, tokenPrefix, createdAt, expiresAt, revokedAt } = row;
  return { id, name, prefix: tokenPrefix, createdAt, expiresAt, revokedAt: revokedAt ?? undefined };
}

/** As `revokeApiKeys`. */
export async function revokeOperators(
  { statements, writer }: Transaction,
  which: SQL | undefined,
  most = 1,
): Promise<readonly { readonly id: string; readonly revision: number }[]> {
  const { operators } = tables;
  const rows = await statements
    .select()
    .from(operators)
    .where(which)
    .orderBy(asc(operators.id))
    .limit(most)
    .for("no key update");
  const revoked = [];
  for (const row of rows) {
    const { id, revision } = row;
    const state = operatorState(row);
    const isGenuine = writer.isGenuine(state, row);
    if (isGenuine && state.revoked) {
      revoked.push({ id, revision });
      continue;
    }
    const beside = await writer.close({ ...state, revoked: true }, isGenuine);
    await statements
      .update(operators)
      .set({ revokedAt: sql`coalesce(${operators.revokedAt}, now())`, ...beside })
      .where(eq(operators.id, id));
    revoked.push({ id, revision: beside.revision });
  }
  return revoked;
}

function checkNewOperator(name: string, expiresAt: Date): void {
  const refused = (rule: string) =>
    new TenantSecretsError("INVALID_INPUT", `The operator was refused: ${rule}.`);
  if (!isDisplayName(name)) throw refused(`a name has ${displayNameRule}`);
  const lifeMs = expiresAt.getTime() - Date.now();
  if (!(lifeMs > 0 && lifeMs <= longestLifeMs)) {
    throw refused("its token expires in the future, at most 366 days from now");
  }
}
