import { sql, type SQL } from "drizzle-orm";
import { DatabaseError, tables, type Database, type Statements } from "@repo/db";
import { z } from "zod";
import { undefinedIfCorrupt, type KeyPlace, type MasterKey, rewrapKey } from "@repo/envelope";
import type { RunStep } from "../../runs/definition.ts";
import { walk } from "../../runs/walk.ts";

const { auditKeyWraps, companyKeys, companyKeyWraps } = tables;

/** A table of wraps of one kind of key. Both have the same columns, except for the owner. */
interface WrapTable {
  readonly kind: KeyPlace["kind"];
  readonly table: SQL;
  /** The column of the key's owner, and its type. */
  readonly owner: SQL;
  readonly ownerType: SQL;
  /** The condition for a wrap `w` to be rewrapped. */
  readonly alive: SQL;
}

const wrapTables: readonly WrapTable[] = [
  {
    kind: "company-key",
    table: sql`${companyKeyWraps}`,
    owner: sql`company_id`,
    ownerType: sql`uuid`,
    alive: sql`(select k.status from ${companyKeys} k where k.company_id = w.company_id and k.key_version = w.key_version) <> 'destroyed'`,
  },
  {
    kind: "audit-key",
    table: sql`${auditKeyWraps}`,
    owner: sql`purpose`,
    ownerType: sql`text`,
    alive: sql`true`,
  },
];

/** `wrapped` is null if the key needs no new wrap. */
const Wrap = z.object({ owner: z.string(), keyVersion: z.int(), wrapped: z.string().nullable() });
type Wrap = z.infer<typeof Wrap>;
const NewWrap = Wrap.extend({ wrapped: z.string() });
type NewWrap = z.infer<typeof NewWrap>;

/** Wraps per batch. Large, because each batch costs two commits. */
const batchSize = 1000;
/** PostgreSQL's integrity_constraint_violation, raised by the triggers of wraps. */
const keyGone = "23000";

/**
 * The next keys under `from` in the order of their names, with the wraps of those that have none under `to`. The batch is
 * selected before its rows are examined, so that no query plan reads the whole table.
 */
async function selectWraps(
  statements: Statements,
  { table, owner, ownerType, alive }: WrapTable,
  { from, to, after }: { readonly from: MasterKey; readonly to: MasterKey; readonly after: Wrap | undefined },
): Promise<Wrap[]> {
  const rest =
    after === undefined
      ? sql`true`
      : sql`(${owner}, key_version) > (${after.owner}::${ownerType}, ${after.keyVersion}::integer)`;
  const rows = await statements.execute(sql`
    select w.${owner}::text as owner, w.key_version as "keyVersion", case when ${alive} and not (${wrappedUnder(table, owner, to)}) then w.wrapped end as wrapped
    from (
      select ${owner}, key_version, wrapped from ${table}
      where region = ${from.region} and master_key_version = ${from.version} and ${rest}
      order by ${owner}, key_version limit ${batchSize}) w
    order by w.${owner}, w.key_version`);
  return z.array(Wrap).parse(Array.from(rows));
}

/**
 * Whether the key of a wrap `w` has one under `to`. Not with EXISTS, which becomes a join: while the statistics lack the new
 * version, the planner chooses one that compares every row with every other.
 */
function wrappedUnder(table: SQL, owner: SQL, to: MasterKey): SQL {
  return sql`(select o.key_version from ${table} o where o.${owner} = w.${owner} and o.key_version = w.key_version
    and o.region = ${to.region} and o.master_key_version = ${to.version}) is not null`;
}

async function insertWraps(
  statements: Statements,
  { table, owner, ownerType, alive }: WrapTable,
  { to, wraps }: { readonly to: MasterKey; readonly wraps: readonly NewWrap[] },
): Promise<void> {
  await statements.execute(sql`
    insert into ${table} (${owner}, key_version, region, master_key_version, wrapped)
    select w.${owner}, w.key_version, ${to.region}, ${to.version}, w.wrapped
    from (
      select owner as ${owner}, "keyVersion" as key_version, wrapped
      from json_to_recordset(${JSON.stringify(wraps)}::json) as r (owner ${ownerType}, "keyVersion" integer, wrapped text)) w
    where ${alive}
    on conflict do nothing`);
}

async function deleteWraps(
  statements: Statements,
  { kind, table, owner }: WrapTable,
  {
    from,
    to,
    retained,
  }: { readonly from: MasterKey; readonly to: MasterKey; readonly retained: readonly string[] },
): Promise<number> {
  const name = sql`${kind} || ' ' || w.${owner} || ' ' || w.key_version`;
  const removed = await statements.execute(sql`
    delete from ${table} where region = ${from.region} and master_key_version = ${from.version} and (${owner}, key_version) in (
      select w.${owner}, w.key_version from ${table} w
      where w.region = ${from.region} and w.master_key_version = ${from.version} and ${wrappedUnder(table, owner, to)}
        and not exists (select from json_array_elements_text(${JSON.stringify(retained)}::json) k (name) where k.name = ${name})
      limit ${batchSize}) returning 1`);
  return removed.length;
}

type Steps = Pick<RunStep<unknown, unknown, string>, "commit" | "cursor" | "progress" | "say">;

/** The position of a rewrap: the last key that was wrapped. */
const Cursor = z.strictObject({
  kind: z.enum(["company-key", "audit-key"]),
  owner: z.string(),
  keyVersion: z.int(),
});

/**
 * Adds a wrap under `to` for every key that has one under `from`, in batches that are steps of a run. Idempotent. A wrap that
 * does not decrypt is skipped: `findMissing` reports it.
 */
export async function rewrapKeys(
  database: Database,
  from: MasterKey,
  { to, step }: { readonly to: MasterKey; readonly step: Steps },
): Promise<void> {
  const cursor = Cursor.nullable().parse(step.cursor);
  const first = Math.max(
    0,
    wrapTables.findIndex(({ kind }) => kind === cursor?.kind),
  );
  let total = 0;
  for (const table of wrapTables.slice(first)) {
    const { kind } = table;
    const insert = async (
      wraps: readonly NewWrap[],
      { owner, keyVersion }: Wrap,
      retries = 10,
    ): Promise<void> => {
      const at = { cursor: { kind, owner, keyVersion }, done: step.progress.done + wraps.length };
      try {
        await step.commit((statements) => insertWraps(statements, table, { to, wraps }), at);
      } catch (error) {
        // One of these keys was destroyed while the statement ran: retry without it.
        if (!(error instanceof DatabaseError) || error.code !== keyGone || retries === 0) throw error;
        await insert(wraps, { owner, keyVersion, wrapped: null }, retries - 1);
      }
    };
    await walk<Wrap, NewWrap>({
      from: cursor?.kind === kind ? { ...cursor, wrapped: null } : undefined,
      read: (after) =>
        database.acrossCompanies((statements) => selectWraps(statements, table, { from, to, after })),
      each: ({ owner, keyVersion, wrapped }) => {
        const again =
          wrapped === null ? undefined : rewrap(kind, { owner, keyVersion, wrapped }, { from, to });
        return again === undefined ? undefined : { owner, keyVersion, wrapped: again };
      },
      write: async (wraps, last) => {
        await insert(wraps, last);
        total += wraps.length;
        await step.say(`${total} keys rewrapped`);
      },
    });
  }
}

/** The number of wraps under a version, for the progress of a rewrap. */
export async function countWraps(
  statements: Statements,
  { region, version }: MasterKeyName,
): Promise<number> {
  const [row] = await statements.execute<{ count: number }>(sql`
    select ((select count(*) from ${companyKeyWraps} where region = ${region} and master_key_version = ${version})
      + (select count(*) from ${auditKeyWraps} where region = ${region} and master_key_version = ${version}))::int as count`);
  return row?.count ?? 0;
}

type MasterKeyName = Pick<MasterKey, "region" | "version">;

/** Keys without a wrap under the new key, and keys that cannot get one. */
interface Missing {
  readonly count: number;
  /** Keys whose wrap does not decrypt, such as `company-key 6f9c… 1`. */
  readonly undecryptable: readonly string[];
}

/** The keys under `from` without a wrap under `to`, at most a thousand of each kind. */
export async function findMissing(database: Database, from: MasterKey, to: MasterKey): Promise<Missing> {
  let count = 0;
  const undecryptable: string[] = [];
  for (const { kind, table, owner, alive } of wrapTables) {
    const rows = await database.acrossCompanies((statements) =>
      statements.execute(sql`
        select w.${owner}::text as owner, w.key_version as "keyVersion", w.wrapped from ${table} w
        where w.region = ${from.region} and w.master_key_version = ${from.version}
          and not (${wrappedUnder(table, owner, to)}) and ${alive}
        limit ${batchSize}`),
    );
    for (const wrap of z.array(NewWrap).parse(Array.from(rows))) {
      if (rewrap(kind, wrap, { from, to }) === undefined) undecryptable.push(keyName(kind, wrap));
      else count++;
    }
  }
  return { count, undecryptable };
}

/** A key's name in a report. */
export function keyName(
  kind: KeyPlace["kind"],
  { owner, keyVersion }: Pick<Wrap, "owner" | "keyVersion">,
): string {
  return `${kind} ${owner} ${keyVersion}`;
}

/**
 * Deletes the wraps under a version of keys that have one under `to`, in batches.
 *
 * @param kept the names of keys whose wraps must stay
 */
export async function removeWraps(
  { from, to }: { readonly from: MasterKey; readonly to: MasterKey },
  retained: readonly string[],
  step: Pick<Steps, "commit">,
): Promise<void> {
  for (const table of wrapTables) {
    for (let removed = batchSize; removed === batchSize;) {
      removed = await step.commit((statements) => deleteWraps(statements, table, { from, to, retained }));
    }
  }
}

/** A key rewrapped under another master key, verified by unwrapping it; undefined if the old wrap does not decrypt. */
function rewrap(
  kind: KeyPlace["kind"],
  { owner, keyVersion, wrapped }: NewWrap,
  { from, to }: { readonly from: MasterKey; readonly to: MasterKey },
): string | undefined {
  const place = (key: MasterKey): KeyPlace => ({
    kind,
    owner,
    keyVersion,
    region: key.region,
    masterKeyVersion: key.version,
  });
  return undefinedIfCorrupt(() =>
    rewrapKey(
      { wrappingKey: from.wrappingKey, place: place(from) },
      { wrappingKey: to.wrappingKey, place: place(to) },
      wrapped,
    ),
  );
}
