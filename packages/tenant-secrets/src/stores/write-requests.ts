import { and, eq, gt, lte, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { TenantSecretsError } from "../vocabulary/errors.ts";

const { writeRequests } = tables;
const { companyId, actorKind, actorId, requestId, createdAt } = writeRequests;

/** Whose request it is: an id of one actor means nothing to another. */
export interface RequestName {
  readonly companyId: string;
  readonly actorKind: string;
  readonly actorId: string;
  readonly requestId: string;
}

/** A request is remembered for this long. */
const remembered = sql`now() - interval '24 hours'`;

/**
 * @returns the version that an earlier request of this name made; undefined where there was none
 * @throws {TenantSecretsError} CONFLICT where it asked for something else
 */
export async function findApplied(
  statements: Statements,
  name: RequestName,
  bodyMac: string,
): Promise<number | undefined> {
  const [row] = await statements
    .select()
    .from(writeRequests)
    .where(
      and(
        eq(companyId, name.companyId),
        eq(actorKind, name.actorKind),
        eq(actorId, name.actorId),
        eq(requestId, name.requestId),
        gt(createdAt, remembered),
      ),
    );
  if (row !== undefined && row.bodyMac !== bodyMac) throw requestIdTaken();
  return row?.version;
}

/** Remembers a request, and forgets some of the company's old ones. @throws {TenantSecretsError} CONFLICT */
export async function keepApplied(
  statements: Statements,
  name: RequestName,
  bodyMac: string,
  version: number,
): Promise<void> {
  // Rows that somebody else is forgetting are passed over, so that two writers never wait for each other here.
  await statements.execute(sql`
    delete from ${writeRequests} where ctid in (
      select ctid from ${writeRequests} where ${companyId} = ${name.companyId} and ${createdAt} <= ${remembered}
      limit 100 for update skip locked)`);
  const kept = await statements
    .insert(writeRequests)
    .values({ ...name, bodyMac, version })
    .onConflictDoUpdate({
      target: [companyId, actorKind, actorId, requestId],
      set: { bodyMac, version, createdAt: sql`now()` },
      setWhere: lte(createdAt, remembered),
    })
    .returning({ version: writeRequests.version });
  // It came in between, for another secret: the lock on this one's head keeps its own apart.
  if (kept.length === 0) throw requestIdTaken();
}

function requestIdTaken(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "This request id was used for another write within the last 24 hours: send a new id.",
  );
}
