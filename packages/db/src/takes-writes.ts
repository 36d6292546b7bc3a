import type postgres from "postgres";
import { DatabaseError } from "./errors.ts";

/** Whether the server that answers takes writes: a standby does not, nor does one that was made read-only, for a full disk for example. */
export async function takesWrites(sql: postgres.Sql): Promise<boolean> {
  const [row] = await sql<{ does: boolean }[]>`
    select not (pg_is_in_recovery() or current_setting('transaction_read_only')::boolean) as does`;
  return row?.does === true;
}

/** @throws {DatabaseError} with PostgreSQL's own code for a write that such a server refuses */
export function assertTakesWrites(does: boolean): void {
  if (!does) throw new DatabaseError("unavailable", "25006");
}
