import { and, isNull, lte, or, sql, type SQL } from "drizzle-orm";
import { tables } from "@repo/db";
import type { EventDetails, Transaction } from "../../access/operation.ts";
import { revocationOf, revokeApiKeys } from "../../companies/api-key-rows.ts";
import { revokeOperators } from "../../companies/operator-rows.ts";

// API keys and operators' tokens from before an emergency rotation, which it revokes.

export const batchSize = 200;

/** Revokes one batch. @returns its events */
export const revocations = {
  apiKeys: async (transaction: Transaction, which: SQL | undefined): Promise<EventDetails[]> =>
    (await revokeApiKeys(transaction, which, batchSize)).map(revocationOf),
  operators: async (transaction: Transaction, which: SQL | undefined): Promise<EventDetails[]> => {
    const revoked = await revokeOperators(transaction, which, batchSize);
    return revoked.map(({ id, revision }) => ({ action: "operator.revoke", subject: id, version: revision }));
  },
};

export function operatorsUntil(madeUntil: Date, spared: string | undefined): SQL | undefined {
  const { operators } = tables;
  return and(
    isNull(operators.revokedAt),
    lte(operators.createdAt, madeUntil),
    spared === undefined ? undefined : sql`${operators.id}::text <> ${spared}`,
  );
}

export function apiKeysUntil(madeUntil: Date): SQL | undefined {
  const { apiKeys, operators } = tables;
  const madeByRevoked = sql`${apiKeys.createdByKind} = 'operator' and exists (
    select from ${operators} o where o.id::text = ${apiKeys.createdById} and o.revoked_at is not null)`;
  return and(isNull(apiKeys.revokedAt), or(lte(apiKeys.createdAt, madeUntil), madeByRevoked));
}
