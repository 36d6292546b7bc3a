import { getTableColumns, sql as fragment } from "drizzle-orm";
import { DatabaseError, tables, type Database, type Statements } from "@repo/db";
import type { NewEvent } from "./event.ts";

const { xid: _, position: __, ...columns } = getTableColumns(tables.auditEvents);
const names = Object.values(columns).map(({ name }) => name);
const nameOf = new Map<string, string>(Object.entries(columns).map(([field, { name }]) => [field, name]));

// One parameter for all rows: drizzle's statement of twenty for each takes it 20 times as long to put together.
const inserting = `insert into audit_events (${names.join(", ")})
  select ${names.join(", ")} from json_populate_recordset(null::audit_events, `;

/** Inserts events in one statement, in a transaction of the caller's. */
export async function insertEventsInto(statements: Statements, events: readonly NewEvent[]): Promise<void> {
  await statements.execute(fragment`${fragment.raw(inserting)}${jsonOf(events)}::text::json)`);
}

/**
 * @returns a function that commits events together. One that is there already, by its id, stays as it is, so that the same
 *   events can be tried again when an answer was lost. It throws what the database does.
 */
export function createInsertEvents(database: Database): (events: readonly NewEvent[]) => Promise<void> {
  const statement = `${inserting}$1::text::json) on conflict do nothing`;
  return async (events) => {
    await database.outsideCompanies((sql) => sql.unsafe(statement, [jsonOf(events)], { prepare: true }));
  };
}

/** Codes that say that a row is at fault, and not the database: data exception, integrity constraint, program limit. */
const ofRow = /^(22|23|54)/;

/**
 * Commits all events but those that the database can never take: a batch that is refused for what is in it is halved, down to
 * the row.
 *
 * @param insert as {@link createInsertEvents} makes it @returns the events that were refused, with their SQLSTATE
 * @throws what `insert` throws for another reason, such as that the database is away: the same events can be tried again
 */
export async function insertAllThatFit<Numbered extends { readonly event: NewEvent }>(
  insert: (events: readonly NewEvent[]) => Promise<void>,
  events: readonly Numbered[],
): Promise<(Numbered & { readonly code: string })[]> {
  const [first] = events;
  if (first === undefined) return [];
  try {
    await insert(events.map(({ event }) => event));
    return [];
  } catch (error) {
    if (!(error instanceof DatabaseError && ofRow.test(error.code))) throw error;
    if (events.length === 1) return [{ ...first, code: error.code }];
    const middle = Math.ceil(events.length / 2);
    return [
      ...(await insertAllThatFit(insert, events.slice(0, middle))),
      ...(await insertAllThatFit(insert, events.slice(middle))),
    ];
  }
}

function jsonOf(events: readonly NewEvent[]): string {
  return JSON.stringify(events.map(rowOf));
}

function rowOf(event: NewEvent): Readonly<Record<string, unknown>> {
  const row: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(event)) {
    const name = nameOf.get(field);
    // What a row does not name is null there.
    if (name === undefined || value === null) continue;
    row[name] = value instanceof Buffer ? `\\x${value.toString("hex")}` : value;
  }
  return row;
}
