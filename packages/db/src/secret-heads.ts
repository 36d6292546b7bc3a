import type postgres from "postgres";
import { arrayText } from "./array-text.ts";
import type { Database } from "./connect.ts";
import { DatabaseError } from "./errors.ts";
import type { Canary, GraceWindow } from "./schema/secrets.ts";

export interface SecretHeadRow {
  readonly companyId: string;
  readonly secretKey: string;
  readonly encrypted: string | null;
  readonly companyKeyVersion: number | null;
  readonly currentVersion: number | null;
  /** Where the current value came from. */
  readonly origin: "written" | "infisical" | "legacy";
  readonly removed: boolean;
  /** In milliseconds of Unix time. */
  readonly expiresAtMs: number | null;
  readonly pendingVersion: number | null;
  readonly lastVersion: number;
  /** Null for none. */
  readonly graceWindows: readonly GraceWindow[] | null;
  /** Null for none. */
  readonly canary: Canary | null;
  /** Until when it can be restored, in milliseconds of Unix time. */
  readonly recoverUntilMs: number | null;
  readonly purged: boolean;
  /** The number of the company key that the MAC is under. */
  readonly macKeyVersion: number;
  /** Over all of the above, but for the sealed value and the number of its key. */
  readonly mac: Buffer;
}

/** @throws {DatabaseError} */
export type ReadSecretHead = (companyId: string, secretKey: string) => Promise<SecretHeadRow | undefined>;

/** One secret of a company. */
export type WantedSecret = Pick<SecretHeadRow, "companyId" | "secretKey">;

interface Wanted<Row> extends WantedSecret {
  readonly resolve: (row: Row | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** More would keep one connection from others for long. */
const maxOfOneStatement = 200;
/** A company that wants more in one turn gets statements of its own, as many at once as its share is. */
const fewOfOneCompany = 50;

/** Reads heads of secrets of any company, as {@link createSecretReads} does. */
export function createSecretHeads(database: Database): ReadSecretHead {
  return createSecretReads(database, (wanted) => selectHeads(database, wanted));
}

/**
 * Reads rows of secrets of any company, each by its company and secret key. All rows that are requested before the event loop goes on share one statement.
 * If that fails although the database is available, each row is read by itself, so that one company's error does not
 * fail another company's read.
 *
 * @param select answers in the order asked for
 */
export function createSecretReads<Row>(
  database: Database,
  select: (wanted: readonly WantedSecret[]) => Promise<readonly (Row | undefined)[]>,
): (companyId: string, secretKey: string) => Promise<Row | undefined> {
  let waiting: Wanted<Row>[] = [];

  const readAll = (): void => {
    const all = waiting;
    waiting = [];
    const few: Wanted<Row>[] = [];
    for (const [companyId, wanted] of Map.groupBy(all, (each) => each.companyId)) {
      if (wanted.length <= fewOfOneCompany) {
        few.push(...wanted);
        continue;
      }
      for (const batch of batchesOf(wanted)) void readInShare(companyId, batch);
    }
    for (const batch of batchesOf(few)) void readTogether(batch);
  };

  const readInShare = async (companyId: string, batch: readonly Wanted<Row>[]): Promise<void> => {
    try {
      await database.inShareOf(companyId, () => readTogether(batch));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };

  const readTogether = async (batch: readonly Wanted<Row>[]): Promise<void> => {
    try {
      const rows = await select(batch);
      for (const [i, { resolve }] of batch.entries()) resolve(rows[i]);
    } catch (error) {
      const isUnavailable = error instanceof DatabaseError && error.kind === "unavailable";
      if (isUnavailable || batch.length === 1) for (const { reject } of batch) reject(error);
      else await Promise.all(batch.map((wanted) => readTogether([wanted])));
    }
  };

  return (companyId, secretKey) => {
    const { promise, resolve, reject } = Promise.withResolvers<Row | undefined>();
    if (waiting.push({ companyId, secretKey, resolve, reject }) === 1) process.nextTick(readAll);
    return promise;
  };
}

function batchesOf<Row>(wanted: readonly Wanted<Row>[]): (readonly Wanted<Row>[])[] {
  const count = Math.ceil(wanted.length / maxOfOneStatement);
  return Array.from({ length: count }, (_, i) =>
    wanted.slice(i * maxOfOneStatement, (i + 1) * maxOfOneStatement),
  );
}

/** @returns in the order asked for */
function selectHeads(
  database: Database,
  wanted: readonly WantedSecret[],
): Promise<(SecretHeadRow | undefined)[]> {
  return database.outsideCompanies((sql) => {
    const [first, ...others] = wanted;
    return first !== undefined && others.length === 0 ? selectOne(sql, first) : selectSeveral(sql, wanted);
  });
}

async function selectOne(
  sql: postgres.Sql,
  { companyId, secretKey }: WantedSecret,
): Promise<(SecretHeadRow | undefined)[]> {
  const [row] = await sql<(SecretHeadRow | { readonly companyId: null })[]>`
    select * from read_secret(${companyId}, ${secretKey})`;
  return [row === undefined || row.companyId === null ? undefined : row];
}

async function selectSeveral(
  sql: postgres.Sql,
  wanted: readonly WantedSecret[],
): Promise<(SecretHeadRow | undefined)[]> {
  const companies = wanted.map(({ companyId }) => companyId);
  const secretKeys = wanted.map(({ secretKey }) => secretKey);
  const rows = await sql<SecretHeadRow[]>`
    select * from read_secrets(${arrayText(companies)}::text::uuid[], ${arrayText(secretKeys)}::text::text[])`;
  return inOrder(wanted, rows);
}

/** @returns for each secret its row */
export function inOrder<Row extends WantedSecret>(
  wanted: readonly WantedSecret[],
  rows: readonly Row[],
): (Row | undefined)[] {
  const found = new Map(rows.map((row) => [nameOf(row), row]));
  return wanted.map((each) => found.get(nameOf(each)));
}

/** Ids have one length, so that two of these are never the same. */
function nameOf({ companyId, secretKey }: WantedSecret): string {
  return `${companyId} ${secretKey}`;
}
