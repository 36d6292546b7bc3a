import { setImmediate as nextTurn } from "node:timers/promises";
import { sql, type SQL } from "drizzle-orm";
import { DatabaseError, tables, type Database, type Statements } from "@repo/db";
import { z } from "zod";
import { asTenantSecretsError, onDatabase } from "../access/database-errors.ts";
import type { MasterKey } from "../crypto/derivation.ts";
import { integrityFailure, unwrapKey, wrapKey, type KeyPlace } from "../crypto/envelope.ts";

const { auditKeyWraps, companyKeys, companyKeyWraps } = tables;

/** Where wraps of one kind of key are. Both kinds have the same columns, but for whose the key is. */
interface WrapTable {
  readonly kind: KeyPlace["kind"];
  readonly table: SQL;
  /** The column that says whose the key is, and its type. */
  readonly owner: SQL;
  readonly ownerType: SQL;
  /** What a wrap `w` has to be, to be worth wrapping anew. */
  readonly alive: SQL;
}

const wrapTables: readonly WrapTable[] = [
  {
    kind: "company-key",
    table: sql`${companyKeyWraps}`,
    owner: sql`company_id`,
    ownerType: sql`uuid`,
    alive: sql`not exists (select from ${companyKeys} k where k.company_id = w.company_id and k.no = w.no and k.status = 'destroyed')`,
  },
  {
    kind: "audit-key",
    table: sql`${auditKeyWraps}`,
    owner: sql`purpose`,
    ownerType: sql`text`,
    alive: sql`true`,
  },
];

const Wrap = z.object({ owner: z.string(), no: z.int(), wrapped: z.string() });
type Wrap = z.infer<typeof Wrap>;

/** Large, because each batch costs two commits; what a process does between two turns of its loop is `stride` keys. */
const batchSize = 1000;
const stride = 100;
/** PostgreSQL's integrity_constraint_violation, as the triggers of wraps raise it. */
const keyGone = "23000";

/** The next keys under `from` that have no wrap under `to`, in the order of their names. */
async function selectMissing(
  statements: Statements,
  { table, owner, ownerType, alive }: WrapTable,
  from: MasterKey,
  to: MasterKey,
  after: Wrap | undefined,
): Promise<Wrap[]> {
  const rest =
    after === undefined
      ? sql`true`
      : sql`(w.${owner}, w.no) > (${after.owner}::${ownerType}, ${after.no}::integer)`;
  const rows = await statements.execute(sql`
    select w.${owner}::text as owner, w.no, w.wrapped from ${table} w
    where w.region = ${from.region} and w.master_key_version = ${from.version} and ${rest} and ${alive}
      and not exists (select from ${table} o where o.${owner} = w.${owner} and o.no = w.no
        and o.region = ${to.region} and o.master_key_version = ${to.version})
    order by w.${owner}, w.no limit ${batchSize}`);
  return z.array(Wrap).parse(Array.from(rows));
}

async function insertWraps(
  statements: Statements,
  { table, owner, ownerType }: WrapTable,
  to: MasterKey,
  wraps: readonly Wrap[],
): Promise<void> {
  await statements.execute(sql`
    insert into ${table} (${owner}, no, region, master_key_version, wrapped)
    select w.owner, w.no, ${to.region}, ${to.version}, w.wrapped
    from json_to_recordset(${JSON.stringify(wraps)}::json) as w (owner ${ownerType}, no integer, wrapped text)
    on conflict do nothing`);
}

async function deleteWraps(statements: Statements, { table }: WrapTable, from: MasterKey): Promise<number> {
  const removed = await statements.execute(sql`
    delete from ${table} where ctid in (
      select ctid from ${table} where region = ${from.region} and master_key_version = ${from.version}
      limit ${batchSize}) returning 1`);
  return removed.length;
}

/** Begins a transaction's work by making sure that it is still this process's to do. */
export type Fence = (statements: Statements) => Promise<void>;

/**
 * Adds a wrap under `to` for every key that has one under `from`, in batches of their own transactions. What is done
 * is not done again, so it may be stopped anywhere and begun anew.
 *
 * @param progress called after every batch with the number of keys that it wrapped
 * @throws {TenantSecretsError} INTEGRITY_FAILURE where a wrap does not open; nothing is written over it
 */
export async function rewrapKeys(
  database: Database,
  from: MasterKey,
  to: MasterKey,
  fence: Fence,
  progress: (wrapped: number) => Promise<void>,
): Promise<void> {
  for (const table of wrapTables) {
    let last: Wrap | undefined;
    let retries = 0;
    for (;;) {
      const batch = await onDatabase(() =>
        database.acrossCompanies((statements) => selectMissing(statements, table, from, to, last)),
      );
      if (batch.length === 0) break;
      const wraps: Wrap[] = [];
      for (const wrap of batch) {
        wraps.push({ ...wrap, wrapped: rewrap(table.kind, wrap, from, to) });
        if (wraps.length % stride === 0) await nextTurn();
      }
      try {
        await database.acrossCompanies(async (statements) => {
          await fence(statements);
          await insertWraps(statements, table, to, wraps);
        });
      } catch (error) {
        // One of these keys was destroyed since the batch was read: read again, without it.
        if (error instanceof DatabaseError && error.code === keyGone && retries++ < 10) continue;
        throw asTenantSecretsError(error);
      }
      last = batch.at(-1);
      await progress(batch.length);
    }
  }
}

/** How many keys under `from` have no wrap under `to`, counted up to one batch of each kind. */
export async function countMissing(database: Database, from: MasterKey, to: MasterKey): Promise<number> {
  const batches = await onDatabase(() =>
    database.acrossCompanies((statements) =>
      Promise.all(wrapTables.map((table) => selectMissing(statements, table, from, to, undefined))),
    ),
  );
  return batches.flat().length;
}

/** Deletes the wraps under a version, in batches. The database refuses to where a key would be left without one. */
export async function removeWraps(database: Database, from: MasterKey, fence: Fence): Promise<void> {
  for (const table of wrapTables) {
    for (let removed = batchSize; removed === batchSize;) {
      removed = await onDatabase(() =>
        database.acrossCompanies(async (statements) => {
          await fence(statements);
          return deleteWraps(statements, table, from);
        }),
      );
    }
  }
}

/** The same key under another master key, opened once more to see that it is. */
function rewrap(
  kind: KeyPlace["kind"],
  { owner, no, wrapped }: Wrap,
  from: MasterKey,
  to: MasterKey,
): string {
  const place = (key: MasterKey): KeyPlace => ({
    kind,
    owner,
    no,
    region: key.region,
    masterKeyVersion: key.version,
  });
  const secret = unwrapKey(from.wrappingKey, place(from), wrapped);
  try {
    const again = wrapKey(to.wrappingKey, place(to), secret);
    const opened = unwrapKey(to.wrappingKey, place(to), again);
    const same = opened.equals(secret);
    opened.fill(0);
    if (!same) throw integrityFailure();
    return again;
  } finally {
    secret.fill(0);
  }
}
