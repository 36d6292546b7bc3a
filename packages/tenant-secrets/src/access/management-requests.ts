import { and, eq, lte, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import type { z } from "zod";
import type { AuditAction } from "@repo/audit-log";
import type { Caller } from "@repo/catalog";
import { canonical, checkRequestId, digestOf, forgottenBefore, requestIdTaken } from "./request-ids.ts";

const { managementRequests } = tables;

/** A change of companies, members or API keys, requested by a caller. */
export interface ManagementRequest {
  readonly caller: Caller;
  /** Left out: every call applies the change. */
  readonly requestId: string | undefined;
  readonly action: AuditAction;
  /** The content of the request: a retry has the same. */
  readonly asked: object;
}

export interface BegunRequest<Answer> {
  /** The stored answer of an earlier attempt; undefined if there was none. */
  readonly applied: Answer | undefined;
  /** Stores the answer in the transaction of the change. It contains no credential. */
  readonly keep: (answer: Answer) => Promise<void>;
}

/**
 * Starts a change in its transaction. A concurrent retry waits here until the first attempt has ended.
 *
 * @param schema of the answer: dates are strings in JSON
 * @throws {TenantSecretsError} INVALID_INPUT; CONFLICT if the id was used for another change within 24 hours
 */
export async function beginRequest<Answer>(
  statements: Statements,
  { caller, requestId, action, asked }: ManagementRequest,
  schema: z.ZodType<Answer>,
): Promise<BegunRequest<Answer>> {
  checkRequestId(requestId);
  if (requestId === undefined) return { applied: undefined, keep: async () => {} };
  const { actorKind, actorId, createdAt } = managementRequests;
  const name = { actorKind: caller.actor.kind, actorId: caller.actor.id, requestId };
  const isNamed = and(
    eq(actorKind, name.actorKind),
    eq(actorId, name.actorId),
    eq(managementRequests.requestId, requestId),
  );
  const keep = async (answer: Answer): Promise<void> => {
    await statements.update(managementRequests).set({ answer }).where(isNamed);
  };
  const digest = digestOf(action, canonical(asked));
  const begun = await statements
    .insert(managementRequests)
    .values({ ...name, digest })
    .onConflictDoUpdate({
      target: [actorKind, actorId, managementRequests.requestId],
      set: { digest, answer: null, createdAt: sql`now()` },
      setWhere: lte(createdAt, forgottenBefore),
    })
    .returning({ digest: managementRequests.digest });
  if (begun.length > 0) return { applied: undefined, keep };
  const [row] = await statements.select().from(managementRequests).where(isNamed);
  if (row?.digest !== digest) throw requestIdTaken();
  return { applied: schema.parse(row.answer), keep };
}
