import { getTableColumns, sql as fragment } from "drizzle-orm";
import { DatabaseError, tables, type Database, type Statements } from "@repo/db";
import { concernsPlatform } from "@repo/catalog";
import type { NewEvent } from "./event.ts";
import { notificationOf } from "./notification-of.ts";

const { xid: _, position: __, ...columns } = getTableColumns(tables.auditEvents);
const names = Object.values(columns).map(({ name }) => name);
const nameOf = new Map<string, string>(Object.entries(columns).map(([field, { name }]) => [field, name]));

// One JSON parameter for all rows: building drizzle's statement with twenty parameters a row takes 20 times as long.
const inserting = `insert into audit_events (${names.join(", ")})
  select ${names.join(", ")} from json_populate_recordset(null::audit_events, `;
/** As `inserting`, of events that notify: the deliveries commit with them. */
const insertingAndNotifying = "select insert_notifying_events(";

/** Inserts events, with what they notify of, in one statement of the caller's transaction. */
export async function insertEventsInto(statements: Statements, events: readonly NewEvent[]): Promise<void> {
  const { json, notifies } = jsonOf(events);
  const start = notifies ? insertingAndNotifying : inserting;
  await statements.execute(fragment`${fragment.raw(start)}${json}::text::json)`);
}

/**
 * @returns a function that commits events together, and throws what the database does. An id that exists is left as it is, so
 *   that events can be retried after a lost answer
 */
export function createInsertEvents(database: Database): (events: readonly NewEvent[]) => Promise<void> {
  const statement = `${inserting}$1::text::json) on conflict do nothing`;
  const notifying = `${insertingAndNotifying}$1::text::json)`;
  return async (events) => {
    const { json, notifies } = jsonOf(events);
    await database.outsideCompanies((sql) =>
      sql.unsafe(notifies ? notifying : statement, [json], { prepare: true }),
    );
  };
}

/** SQLSTATE classes that blame a row and not the database: data exception, integrity constraint, program limit. */
const ofRow = /^(22|23|54)/;

/**
 * Commits all events but those that the database refuses for their content: a refused batch is halved, down to the row.
 *
 * @param insert as {@link createInsertEvents} returns it
 * @returns the refused events, with their SQLSTATE
 * @throws what `insert` throws for another reason, such as an unavailable database: the same events can be retried
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

function jsonOf(events: readonly NewEvent[]): { readonly json: string; readonly notifies: boolean } {
  let notifies = false;
  const rows = events.map((event) => {
    const told = notificationOf(event);
    if (told === undefined) return rowOf(event);
    notifies = true;
    // Further names are ignored where the events are inserted.
    const subject = told.subject === undefined ? event.subject : event[told.subject];
    return {
      ...rowOf(event),
      notification_type: told.type,
      subject_name: told.subjectName,
      of_platform: concernsPlatform(told.type),
      notification_subject: subject,
    };
  });
  return { json: JSON.stringify(rows), notifies };
}

function rowOf(event: NewEvent): Readonly<Record<string, unknown>> {
  const row: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(event)) {
    const name = nameOf.get(field);
    // json_populate_recordset fills absent columns with null.
    if (name === undefined || value === null) continue;
    row[name] = value instanceof Buffer ? `\\x${value.toString("hex")}` : value;
  }
  return row;
}
