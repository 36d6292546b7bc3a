import { getTableColumns } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import type { NewEvent } from "./audit.ts";

/**
 * @returns a function that commits events together. One that is there already, by its id, stays as it is, so that the same
 *   events can be tried again when an answer was lost. It throws what the database does.
 */
export function createInsertEvents(database: Database): (events: readonly NewEvent[]) => Promise<void> {
  const { xid: _, position: __, ...columns } = getTableColumns(tables.auditEvents);
  const names = Object.values(columns).map(({ name }) => name);
  // One parameter for all rows: drizzle's statement of twenty for each takes it 20 times as long to put together.
  const statement = `insert into audit_events (${names.join(", ")})
    select ${names.join(", ")} from json_populate_recordset(null::audit_events, $1::text::json) on conflict do nothing`;
  const nameOf = new Map<string, string>(Object.entries(columns).map(([field, { name }]) => [field, name]));
  const rowOf = (event: NewEvent): Readonly<Record<string, unknown>> => {
    const row: Record<string, unknown> = {};
    for (const [field, value] of Object.entries(event)) {
      const name = nameOf.get(field);
      // What a row does not name is null there.
      if (name === undefined || value === null) continue;
      row[name] = value instanceof Buffer ? `\\x${value.toString("hex")}` : value;
    }
    return row;
  };
  return async (events) => {
    await database.outsideCompanies((sql) =>
      sql.unsafe(statement, [JSON.stringify(events.map(rowOf))], { prepare: true }),
    );
  };
}
