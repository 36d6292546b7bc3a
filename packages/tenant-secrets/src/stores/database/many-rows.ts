import { getTableColumns, sql, type SQL } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";

/**
 * Rows as one parameter of JSON, for `from`, with the alias `r`: of a statement with a parameter for each field, drizzle takes 20
 * times as long to build.
 *
 * @param rows by the table's names for its fields; a row that lacks one has null there
 */
export function manyRows(table: PgTable, rows: readonly Readonly<Record<string, unknown>>[]): SQL {
  const columns = Object.entries(getTableColumns(table));
  const records = rows.map((row) =>
    Object.fromEntries(columns.map(([field, { name }]) => [name, textOf(row[field])])),
  );
  return sql`json_populate_recordset(null::${table}, ${JSON.stringify(records)}::text::json) as r`;
}

/** The columns of fields, for a list of them; of an alias, where one is given. */
export function columnsOf(table: PgTable, fields: readonly string[], alias?: string): SQL {
  const columns = getTableColumns(table);
  const names = fields.map((field) => {
    const column = columns[field];
    if (column === undefined) throw new Error(`The table has no field ${field}.`);
    const name = sql.identifier(column.name);
    return alias === undefined ? sql`${name}` : sql`${sql.identifier(alias)}.${name}`;
  });
  return sql.join(names, sql`, `);
}

function textOf(value: unknown): unknown {
  return Buffer.isBuffer(value) ? `\\x${value.toString("hex")}` : value;
}
