import { and, eq, gt, lte, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { z } from "zod";
import { keyDestroyed } from "@repo/catalog";
import {
  actorColumns,
  forgottenBefore,
  requestIdTaken,
  type ActorColumns,
} from "../../access/request-ids.ts";
import type { CompanyScope } from "../../companies/companies.ts";
import { ofVersion } from "./secret-head.ts";

const { companySecretVersions, writeRequests } = tables;
const { companyId, actorKind, actorId, requestId, createdAt } = writeRequests;

/** Whose request it is: an id of one actor means nothing to another. */
interface RequestName extends ActorColumns {
  readonly companyId: string;
  readonly requestId: string;
}

/** @returns undefined where the request has no id */
export function requestNameOf(
  { caller, company }: CompanyScope,
  id: string | undefined,
): RequestName | undefined {
  return id === undefined ? undefined : { companyId: company.id, ...actorColumns(caller), requestId: id };
}

/** A request with an id, and what it asks for, which tells a retry from another request. */
export interface WriteRequest {
  readonly name: RequestName;
  /**
   * Its MAC under each key of the company that is not destroyed, the one that seals now first. Of a request without values
   * only its digest, as if that were the MAC under a key of number 0.
   */
  readonly macs: readonly [KeyedMac, ...KeyedMac[]];
  /** By secret key. */
  readonly writes: readonly RequestedWrite[];
}

interface RequestedWrite {
  readonly secretKey: string;
  readonly note: string | undefined;
  /** Under the same keys. */
  readonly fingerprints: readonly string[];
}

interface KeyedMac {
  readonly keyVersion: number;
  readonly mac: string;
}

/**
 * @returns what an earlier request of this name was answered; undefined where there was none
 * @throws {TenantSecretsError} CONFLICT where it asked for something else; KEY_DESTROYED where the loaded keys are older
 *   than the request's
 */
export async function findApplied(statements: Statements, request: WriteRequest): Promise<unknown> {
  const { name, macs, writes } = request;
  const [row] = await statements
    .select()
    .from(writeRequests)
    .where(
      and(
        eq(companyId, name.companyId),
        eq(actorKind, name.actorKind),
        eq(actorId, name.actorId),
        eq(requestId, name.requestId),
        gt(createdAt, forgottenBefore),
      ),
    );
  if (row === undefined) return undefined;
  const keyVersion = Number(row.bodyMac.split(".", 1)[0]);
  const same = macs.find((keyed) => keyed.keyVersion === keyVersion);
  if (same === undefined && writes.length > 0 && keyVersion > macs[0].keyVersion) throw keyDestroyed();
  const applied =
    same === undefined ? await madeThose(statements, row, writes) : row.bodyMac === textOf(same);
  if (!applied) throw requestIdTaken();
  return row.answer;
}

type RequestRow = typeof writeRequests.$inferSelect;

/** The answer to a request that wrote values: the versions that it made, in the order of its writes. */
export const Versions = z.array(z.int());

/**
 * Whether the versions of an earlier request hold the values of this one. For when the key of its MAC is destroyed: a
 * version's fingerprint is computed again under the next key. The options of the write cannot be compared any more.
 */
async function madeThose(
  statements: Statements,
  row: RequestRow,
  writes: readonly RequestedWrite[],
): Promise<boolean> {
  const versions = Versions.safeParse(row.answer).data ?? [];
  if (writes.length === 0 || versions.length !== writes.length) return false;
  for (const [i, { secretKey, note, fingerprints }] of writes.entries()) {
    const [made] = await statements
      .select({ note: companySecretVersions.note, fingerprint: companySecretVersions.fingerprint })
      .from(companySecretVersions)
      .where(
        and(
          ofVersion({ companyId: row.companyId, secretKey }, versions[i] ?? 0),
          // One transaction made both, so that they have one time.
          eq(companySecretVersions.createdAt, row.createdAt),
        ),
      );
    const same = fingerprints.includes(made?.fingerprint ?? "") && made?.note === (note ?? null);
    if (!same) return false;
  }
  return true;
}

/** Remembers a request, and forgets some of the company's old ones. @throws {TenantSecretsError} CONFLICT */
export async function insertApplied(
  statements: Statements,
  { name, macs }: WriteRequest,
  answer: object,
): Promise<void> {
  const bodyMac = textOf(macs[0]);
  // Rows that another writer is deleting are skipped, so that two writers never wait for each other here.
  await statements.execute(sql`
    delete from ${writeRequests} where ${companyId} = ${name.companyId}
      and (actor_kind, actor_id, request_id) in (
        select actor_kind, actor_id, request_id from ${writeRequests}
        where ${companyId} = ${name.companyId} and ${createdAt} <= ${forgottenBefore}
        limit 100 for update skip locked)`);
  const inserted = await statements
    .insert(writeRequests)
    .values({ ...name, bodyMac, answer })
    .onConflictDoUpdate({
      target: [companyId, actorKind, actorId, requestId],
      set: { bodyMac, answer, createdAt: sql`now()` },
      setWhere: lte(createdAt, forgottenBefore),
    })
    .returning({ requestId });
  // The id was used for another secret meanwhile. For the same secret the lock on its head prevents that.
  if (inserted.length === 0) throw requestIdTaken();
}

function textOf({ keyVersion, mac }: KeyedMac): string {
  return `${keyVersion}.${mac}`;
}
