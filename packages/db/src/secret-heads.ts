import type { Database } from "./connect.ts";
import { DatabaseError } from "./errors.ts";

export interface SecretHeadRow {
  readonly companyId: string;
  readonly secretKey: string;
  readonly sealed: string | null;
  readonly companyKeyNo: number | null;
  readonly currentVersion: number | null;
  /** Where the current value came from. */
  readonly origin: "written" | "infisical" | "legacy";
  readonly removed: boolean;
}

/** @throws {DatabaseError} */
export type ReadSecretHead = (companyId: string, secretKey: string) => Promise<SecretHeadRow | undefined>;

interface Wanted {
  readonly companyId: string;
  readonly secretKey: string;
  readonly resolve: (row: SecretHeadRow | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** More would keep one connection from others for long. */
const maxOfOneStatement = 200;

/**
 * Reads heads of secrets with row-level security on, all that are asked for in one turn of the event loop in one statement.
 * Where that fails for another reason than that the database is away, each is read by itself, so that what is wrong with
 * one company is not another's trouble.
 */
export function createSecretHeads(database: Database): ReadSecretHead {
  let waiting: Wanted[] = [];

  const readAll = (): void => {
    const all = waiting;
    waiting = [];
    for (let i = 0; i < all.length; i += maxOfOneStatement)
      void readTogether(all.slice(i, i + maxOfOneStatement));
  };

  const readTogether = async (batch: readonly Wanted[]): Promise<void> => {
    try {
      const rows = await selectHeads(database, batch);
      for (const [i, { resolve }] of batch.entries()) resolve(rows[i]);
    } catch (error) {
      const isAway = error instanceof DatabaseError && error.kind === "unavailable";
      if (isAway || batch.length === 1) for (const { reject } of batch) reject(error);
      else await Promise.all(batch.map((wanted) => readTogether([wanted])));
    }
  };

  return (companyId, secretKey) => {
    const { promise, resolve, reject } = Promise.withResolvers<SecretHeadRow | undefined>();
    if (waiting.push({ companyId, secretKey, resolve, reject }) === 1) setImmediate(readAll);
    return promise;
  };
}

/** @returns in the order asked for */
function selectHeads(database: Database, wanted: readonly Wanted[]): Promise<(SecretHeadRow | undefined)[]> {
  return database.outsideCompanies(async (sql) => {
    const [first, ...others] = wanted;
    if (first !== undefined && others.length === 0) {
      const [row] = await sql<(SecretHeadRow | { readonly companyId: null })[]>`
        select company_id as "companyId", secret_key as "secretKey", secret_value_encrypted as "sealed",
          company_key_no as "companyKeyNo", current_version as "currentVersion", origin, removed
        from read_secret(${first.companyId}, ${first.secretKey})`;
      return [row === undefined || row.companyId === null ? undefined : row];
    }
    const rows = await sql<(SecretHeadRow & { readonly place: number })[]>`
      select place, company_id as "companyId", secret_key as "secretKey", secret_value_encrypted as "sealed",
        company_key_no as "companyKeyNo", current_version as "currentVersion", origin, removed
      from read_secrets(${wanted.map(({ companyId }) => companyId)}::uuid[], ${wanted.map(({ secretKey }) => secretKey)}::text[])`;
    const found = Array<SecretHeadRow | undefined>(wanted.length).fill(undefined);
    for (const { place, ...row } of rows) found[place - 1] = row;
    return found;
  });
}
