import { and, eq, sql } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import { z } from "zod";
import { type CompanyId, TenantSecretsError } from "@repo/catalog";
import { type CompanyKey, fingerprint, integrityFailure, decryptValue, encryptValue } from "@repo/envelope";
import type { CompanyKeys } from "./company-keys.ts";
import type { RunStep } from "../../runs/definition.ts";
import type { Position } from "../../runs/lease.ts";
import { walk } from "../../runs/walk.ts";
import { shareCompany } from "../../companies/company-lock.ts";
import { reencryptHeads, undecryptable, type Write } from "./reencrypt-heads.ts";

const { companyKeys: keys, companySecrets, companySecretVersions } = tables;

/** Values per batch. A value has up to 64 KiB, and a batch is in memory twice. */
const batchSize = 200;

const Row = z.object({ secretKey: z.string(), version: z.int(), keyVersion: z.int(), encrypted: z.string() });
type Row = z.infer<typeof Row>;

interface Replacement extends Omit<Row, "keyVersion"> {
  readonly again: string;
  readonly fingerprint: string;
}

/** The two places of encrypted values. Both are walked in the order of secret key and version. */
interface Place {
  /** The next values under another key than `to`. */
  select(statements: Statements, target: Target, after: Row): Promise<Row[]>;
  /** Replaces values that have not changed since they were read. @returns their number */
  replace(statements: Statements, target: Target, batch: readonly Replacement[]): Promise<number>;
}

interface Target {
  readonly companyId: CompanyId;
  /** The target key. */
  readonly to: CompanyKey;
}

const heads: Place = {
  select: async (statements, { companyId, to }, after) =>
    rowsOf(
      await statements.execute(sql`
        select secret_key as "secretKey", current_version as version, company_key_version as "keyVersion", secret_value_encrypted as encrypted
        from ${companySecrets}
        where company_id = ${companyId} and secret_value_encrypted is not null and company_key_version <> ${to.keyVersion}
          and secret_key > ${after.secretKey}
        order by secret_key limit ${batchSize}`),
    ),
  // A fingerprint is in the version's row, wherever the value is.
  replace: async (statements, { companyId, to }, batch) => {
    // In the locking order of writes of several secrets.
    await statements.execute(sql`
      select from ${companySecrets}
      where company_id = ${companyId} and secret_key in (select "secretKey" from ${recordsOf(batch)})
      order by secret_key for no key update`);
    const replaced = await statements.execute(sql`
      with replaced as (
        update ${companySecrets} h set secret_value_encrypted = r.again, company_key_version = ${to.keyVersion}
        from ${recordsOf(batch)}
        where h.company_id = ${companyId} and h.secret_key = r."secretKey" and h.current_version = r.version
          and h.secret_value_encrypted = r.encrypted
        returning h.secret_key, h.current_version, r.fingerprint)
      update ${companySecretVersions} v set fingerprint = r.fingerprint from replaced r
      where v.company_id = ${companyId} and v.secret_key = r.secret_key and v.version = r.current_version
      returning 1`);
    return replaced.length;
  },
};

const versions: Place = {
  select: async (statements, { companyId, to }, after) =>
    rowsOf(
      await statements.execute(sql`
        select secret_key as "secretKey", version, company_key_version as "keyVersion", value_encrypted as encrypted from ${companySecretVersions}
        where company_id = ${companyId} and value_encrypted is not null and company_key_version <> ${to.keyVersion}
          and (secret_key, version) > (${after.secretKey}, ${after.version})
        order by secret_key, version limit ${batchSize}`),
    ),
  replace: async (statements, { companyId, to }, batch) => {
    const replaced = await statements.execute(sql`
      update ${companySecretVersions} v set value_encrypted = r.again, company_key_version = ${to.keyVersion}, fingerprint = r.fingerprint
      from ${recordsOf(batch)}
      where v.company_id = ${companyId} and v.secret_key = r."secretKey" and v.version = r.version and v.value_encrypted = r.encrypted
      returning 1`);
    return replaced.length;
  },
};

/** The target key is no longer the company's active one: nothing was encrypted under it since. */
export class KeySuperseded extends TenantSecretsError {
  constructor() {
    super("CONFLICT", "Another rotation of this company's key began meanwhile.");
  }
}

/** The dependencies of one sweep through a company. */
export interface Sweep {
  readonly database: Database;
  readonly companyKeys: CompanyKeys;
  readonly companyId: CompanyId;
  readonly to: CompanyKey;
  readonly step: Pick<RunStep<unknown, unknown, string>, "commitIn">;
  /** Called in each step that re-encrypts values, with their number, to update the run's progress. */
  readonly advance: (values: number) => Position;
  /** Called after each step with the number of re-encrypted values. */
  readonly progress: (values: number) => void | Promise<void>;
}

/**
 * Re-encrypts every value of a company that is under another key, and computes heads' MACs under the target key, in steps of a
 * run. Concurrent writes win. It can be interrupted anywhere and repeated without doing anything twice. A key's state changes
 * only under the company's exclusive lock, so a step that shares the lock and finds the key active encrypts under the active
 * key.
 *
 * @returns values that do not decrypt, such as `CUSTOM_A version 3`: they stay unchanged
 * @throws {KeySuperseded} @throws {TenantSecretsError}
 */
export async function reencryptCompany(sweep: Sweep): Promise<readonly string[]> {
  const { database, companyId, companyKeys, to, step, advance, progress } = sweep;
  const read = <T>(work: (statements: Statements) => Promise<T>): Promise<T> =>
    database.inCompany(companyId, work);
  const write: Write = (work, at) =>
    step.commitIn(
      companyId,
      async (statements) => {
        await shareCompany(statements, companyId);
        if (!(await isActive(statements, companyId, to.keyVersion))) throw new KeySuperseded();
        return work(statements);
      },
      at,
    );
  const broken: string[] = [];
  // In this order, because a write moves a value from its head to its version. A value that a promotion moves back meanwhile
  // keeps its key in use, and is found by the next sweep.
  for (const place of [heads, versions]) {
    const skipped = await walk<Row, Replacement>({
      read: (after = firstRow) => read((statements) => place.select(statements, { companyId, to }, after)),
      each: (row) => reencrypt(companyKeys, { companyId, to }, row),
      write: async (batch) => {
        if (batch.length === 0) return;
        const replaced = await write(
          (statements) => place.replace(statements, { companyId, to }, batch),
          advance(batch.length),
        );
        await progress(replaced);
      },
      skip: { codes: undecryptable, nameOf: ({ secretKey, version }) => `${secretKey} version ${version}` },
    });
    broken.push(...skipped);
  }
  const notGenuine = await reencryptHeads({ companyKeys, companyId, to, read, write });
  return [...broken, ...notGenuine.map((secretKey) => `${secretKey}, its head`)];
}

const firstRow: Row = { secretKey: "", version: 0, keyVersion: 0, encrypted: "" };

async function isActive(statements: Statements, companyId: CompanyId, keyVersion: number): Promise<boolean> {
  const [key] = await statements
    .select({ status: keys.status })
    .from(keys)
    .where(and(eq(keys.companyId, companyId), eq(keys.keyVersion, keyVersion)));
  return key?.status === "active";
}

/** A value re-encrypted under another key, verified by decrypting it. @throws if the value does not decrypt */
async function reencrypt(
  companyKeys: CompanyKeys,
  { companyId, to }: Target,
  { secretKey, version, keyVersion, encrypted }: Row,
): Promise<Replacement> {
  const from = await companyKeys.forDecryption(companyId, keyVersion);
  const place = { companyId, secretKey, version };
  const value = decryptValue(from.valueKey, { ...place, companyKeyVersion: keyVersion }, encrypted);
  try {
    const again = encryptValue(to.valueKey, { ...place, companyKeyVersion: to.keyVersion }, value);
    const opened = decryptValue(to.valueKey, { ...place, companyKeyVersion: to.keyVersion }, again);
    const same = opened.equals(value);
    opened.fill(0);
    if (!same) throw integrityFailure();
    return { secretKey, version, encrypted, again, fingerprint: fingerprint(to, value) };
  } finally {
    value.fill(0);
  }
}

function rowsOf(rows: Iterable<unknown>): Row[] {
  return z.array(Row).parse(Array.from(rows));
}

function recordsOf(batch: readonly Replacement[]) {
  return sql`json_to_recordset(${JSON.stringify(batch)}::json)
    as r ("secretKey" text, version integer, encrypted text, again text, fingerprint text)`;
}
