import { and, eq, sql } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import { z } from "zod";
import { onDatabase } from "@repo/audit-log";
import { type CompanyId, TenantSecretsError } from "@repo/catalog";
import { type CompanyKey, fingerprint, integrityFailure, openValue, sealValue } from "@repo/envelope";
import type { CompanyKeys } from "./company-keys.ts";
import { shareCompany } from "./company-lock.ts";
import { resealHeads } from "./reencrypt-heads.ts";

const { companyKeys: keys, companySecrets, companySecretVersions } = tables;

/** Values have up to 64 KiB, and a batch is in memory twice. */
const batchSize = 200;

const Row = z.object({ secretKey: z.string(), version: z.int(), no: z.int(), sealed: z.string() });
type Row = z.infer<typeof Row>;

interface Replacement extends Omit<Row, "no"> {
  readonly again: string;
  readonly fingerprint: string;
}

/** Where sealed values are. Both places are walked in the order of secret key and version. */
interface Place {
  /** The next values that are under another key than `to`. */
  select(statements: Statements, companyId: CompanyId, to: CompanyKey, after: Row): Promise<Row[]>;
  /** Replaces the values that are still what was opened. @returns how many */
  replace(
    statements: Statements,
    companyId: CompanyId,
    to: CompanyKey,
    batch: readonly Replacement[],
  ): Promise<number>;
}

const heads: Place = {
  select: async (statements, companyId, to, after) =>
    rowsOf(
      await statements.execute(sql`
        select secret_key as "secretKey", current_version as version, company_key_no as no, secret_value_encrypted as sealed
        from ${companySecrets}
        where company_id = ${companyId} and secret_value_encrypted is not null and company_key_no <> ${to.no}
          and secret_key > ${after.secretKey}
        order by secret_key limit ${batchSize}`),
    ),
  // A fingerprint stands in the version's row, wherever the value is.
  replace: async (statements, companyId, to, batch) => {
    // In the order in which whoever writes several secrets locks them.
    await statements.execute(sql`
      select from ${companySecrets}
      where company_id = ${companyId} and secret_key in (select "secretKey" from ${recordsOf(batch)})
      order by secret_key for no key update`);
    const replaced = await statements.execute(sql`
      with replaced as (
        update ${companySecrets} h set secret_value_encrypted = r.again, company_key_no = ${to.no}
        from ${recordsOf(batch)}
        where h.company_id = ${companyId} and h.secret_key = r."secretKey" and h.current_version = r.version
          and h.secret_value_encrypted = r.sealed
        returning h.secret_key, h.current_version, r.fingerprint)
      update ${companySecretVersions} v set fingerprint = r.fingerprint from replaced r
      where v.company_id = ${companyId} and v.secret_key = r.secret_key and v.version = r.current_version
      returning 1`);
    return replaced.length;
  },
};

const versions: Place = {
  select: async (statements, companyId, to, after) =>
    rowsOf(
      await statements.execute(sql`
        select secret_key as "secretKey", version, company_key_no as no, sealed from ${companySecretVersions}
        where company_id = ${companyId} and sealed is not null and company_key_no <> ${to.no}
          and (secret_key, version) > (${after.secretKey}, ${after.version})
        order by secret_key, version limit ${batchSize}`),
    ),
  replace: async (statements, companyId, to, batch) => {
    const replaced = await statements.execute(sql`
      update ${companySecretVersions} v set sealed = r.again, company_key_no = ${to.no}, fingerprint = r.fingerprint
      from ${recordsOf(batch)}
      where v.company_id = ${companyId} and v.secret_key = r."secretKey" and v.version = r.version and v.sealed = r.sealed
      returning 1`);
    return replaced.length;
  },
};

export interface Resealed {
  readonly values: number;
  /** Whether `to` was found not to be the active key any more: nothing was sealed under it since. */
  readonly superseded: boolean;
  /** What does not open, such as `CUSTOM_A version 3`. It stays as it is. */
  readonly broken: readonly string[];
}

/**
 * Seals every value of a company that is under another key than `to` under that one, and gives heads MACs under it, in batches of
 * their own transactions.
 * What somebody writes meanwhile wins. Nothing is done twice, so it may be stopped anywhere and begun anew. It ends early
 * where `to` is not the company's active key: the state of a key changes under the company's lock alone, so a batch that
 * shares it and finds the key active seals under the active key.
 *
 * @param progress called after every batch with the number of values that it sealed
 */
export async function resealValues(
  database: Database,
  companyKeys: CompanyKeys,
  companyId: CompanyId,
  to: CompanyKey,
  progress: (values: number) => void | Promise<void>,
): Promise<Resealed> {
  const broken: string[] = [];
  let values = 0;
  const read = <T>(work: (statements: Statements) => Promise<T>): Promise<T> =>
    onDatabase(() => database.inCompany(companyId, work));
  const write = <T>(work: (statements: Statements) => Promise<T>): Promise<T | undefined> =>
    read(async (statements) => {
      await shareCompany(statements, companyId);
      // Two that reseal one company would lock its rows in different orders.
      await statements.execute(
        sql`select pg_advisory_xact_lock(hashtextextended(${`reseal ${companyId}`}, 0))`,
      );
      return (await isActive(statements, companyId, to.no)) ? work(statements) : undefined;
    });
  // In this order: a write moves a value from its head to its version. What a promotion moves back meanwhile keeps its key in
  // use, and is found by the next sweep.
  for (const place of [heads, versions]) {
    let after: Row = { secretKey: "", version: 0, no: 0, sealed: "" };
    for (;;) {
      const rows = await read((statements) => place.select(statements, companyId, to, after));
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last;
      const batch: Replacement[] = [];
      for (const row of rows) {
        const replacement = await reseal(companyKeys, companyId, to, row);
        if (replacement === undefined) broken.push(`${row.secretKey} version ${row.version}`);
        else batch.push(replacement);
      }
      if (batch.length === 0) continue;
      const replaced = await write((statements) => place.replace(statements, companyId, to, batch));
      if (replaced === undefined) return { values, superseded: true, broken };
      values += replaced;
      await progress(replaced);
    }
  }
  const changed = await resealHeads({ companyKeys, companyId, to, read, write });
  if (changed === undefined) return { values, superseded: true, broken };
  broken.push(...changed.map((secretKey) => `${secretKey}, its head`));
  return { values, superseded: false, broken };
}

async function isActive(statements: Statements, companyId: CompanyId, no: number): Promise<boolean> {
  const [key] = await statements
    .select({ status: keys.status })
    .from(keys)
    .where(and(eq(keys.companyId, companyId), eq(keys.no, no)));
  return key?.status === "active";
}

/** A value under another key, opened once more to see that it is the same; undefined where it does not open. */
async function reseal(
  companyKeys: CompanyKeys,
  companyId: CompanyId,
  to: CompanyKey,
  { secretKey, version, no, sealed }: Row,
): Promise<Replacement | undefined> {
  try {
    const from = await companyKeys.forOpening(companyId, no);
    const place = { companyId, secretKey, version };
    const value = openValue(from.valueKey, { ...place, companyKeyNo: no }, sealed);
    try {
      const again = sealValue(to.valueKey, { ...place, companyKeyNo: to.no }, value);
      const opened = openValue(to.valueKey, { ...place, companyKeyNo: to.no }, again);
      const same = opened.equals(value);
      opened.fill(0);
      if (!same) throw integrityFailure();
      return { secretKey, version, sealed, again, fingerprint: fingerprint(to, value) };
    } finally {
      value.fill(0);
    }
  } catch (error) {
    if (error instanceof TenantSecretsError && unopenable.has(error.code)) return undefined;
    throw error;
  }
}

const unopenable: ReadonlySet<TenantSecretsError["code"]> = new Set(["INTEGRITY_FAILURE", "KEY_DESTROYED"]);

function rowsOf(rows: Iterable<unknown>): Row[] {
  return z.array(Row).parse(Array.from(rows));
}

function recordsOf(batch: readonly Replacement[]) {
  return sql`json_to_recordset(${JSON.stringify(batch)}::json)
    as r ("secretKey" text, version integer, sealed text, again text, fingerprint text)`;
}
