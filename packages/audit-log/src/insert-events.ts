import { getTableColumns, sql as fragment } from "drizzle-orm";
import { arrayText, DatabaseError, tables, type Database, type Statements } from "@repo/db";
import { concernsPlatform } from "@repo/catalog";
import type { NewEvent } from "./event.ts";
import { notificationOf } from "./notification-of.ts";

const { xid: _, position: __, ...columns } = getTableColumns(tables.auditEvents);
const fields = keysOf(columns);
const names = fields.map((field) => columns[field].name).join(", ");
const nameOf = new Map<string, string>(fields.map((field) => [field, columns[field].name]));

// One JSON parameter for all rows: building drizzle's statement with twenty parameters a row takes 20 times as long.
const inserting = `insert into audit_events (${names})
  select ${names} from json_populate_recordset(null::audit_events, `;
/** As `inserting`, of events that notify: the deliveries commit with them. */
const insertingAndNotifying = "select insert_notifying_events(";
/** Many events, an array of each column: half of the time of JSON, for the server and for this process. */
const insertingMany = `insert into audit_events (${names})
  select * from unnest(${fields.map((field, i) => `$${i + 1}::text::${columns[field].getSQLType()}[]`).join(", ")})
  on conflict do nothing`;

/** Inserts events, with what they notify of, in one statement of the caller's transaction. */
export async function insertEventsInto(statements: Statements, events: readonly NewEvent[]): Promise<void> {
  const start = events.some(notifies) ? insertingAndNotifying : inserting;
  await statements.execute(fragment`${fragment.raw(start)}${jsonOf(events)}::text::json)`);
}

/**
 * @returns a function that commits events together, and throws what the database does. An id that exists is left as it is, so
 *   that events can be retried after a lost answer
 */
export function createInsertEvents(database: Database): (events: readonly NewEvent[]) => Promise<void> {
  return async (events) => {
    await database.outsideCompanies((sql) =>
      events.some(notifies)
        ? sql.unsafe(`${insertingAndNotifying}$1::text::json)`, [jsonOf(events)], { prepare: true })
        : sql.unsafe(insertingMany, arraysOf(events), { prepare: true }),
    );
  };
}

function notifies(event: NewEvent): boolean {
  return notificationOf(event) !== undefined;
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

function jsonOf(events: readonly NewEvent[]): string {
  return JSON.stringify(
    events.map((event) => {
      const told = notificationOf(event);
      if (told === undefined) return rowOf(event);
      // Further names are ignored where the events are inserted.
      return {
        ...rowOf(event),
        notification_type: told.type,
        subject_name: told.subjectName,
        of_platform: concernsPlatform(told.type),
        notification_subject: told.subject === undefined ? event.subject : event[told.subject],
      };
    }),
  );
}

function rowOf(event: NewEvent): Readonly<Record<string, unknown>> {
  const row: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(event)) {
    const name = nameOf.get(field);
    // json_populate_recordset fills absent columns with null.
    if (name === undefined || value === null) continue;
    row[name] = value instanceof Buffer ? bytea(value) : value;
  }
  return row;
}

/** An array of each column. Events hold no control characters. */
function arraysOf(events: readonly NewEvent[]): string[] {
  return fields.map((field) => arrayText(events.map((event) => elementOf(event[field]))));
}

function elementOf(value: NewEvent[keyof NewEvent]): string | number | null {
  if (value instanceof Date) return value.toISOString();
  return value instanceof Uint8Array ? bytea(value) : value;
}

function bytea(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")}`;
}

/** An object of a literal's type has no keys but those. */
function keysOf<T extends object>(object: T): readonly (keyof T)[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return Object.keys(object) as (keyof T)[];
}
