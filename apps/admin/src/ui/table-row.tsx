import { useMemo, type ReactNode } from "react";
import type { Column } from "./data-table-columns.ts";

/** A row of a DataTable on a wide window. */
export function TableRow<Row>({
  row,
  columns,
}: {
  readonly row: Row;
  readonly columns: readonly Column<Row>[];
}): ReactNode {
  return (
    <tr data-row className="relative h-(--row) border-t border-line hover:bg-sunken">
      {columns.map(({ id, cell, align }) => (
        <td key={id} className={`px-3 py-1 ${align === "end" ? "text-right" : ""}`}>
          {cell(row)}
        </td>
      ))}
    </tr>
  );
}

/** Keeps what was painted of a row for as long as the row is the same object: a search or a sort moves and hides rows alone. */
export function usePainted<Row extends object>(columns: readonly Column<Row>[], isPhone: boolean) {
  const kept = useMemo(() => ({ columns, isPhone, rows: new WeakMap<Row, ReactNode>() }), [columns, isPhone]);
  return (row: Row, paint: () => ReactNode): ReactNode => {
    const before = kept.rows.get(row);
    if (before !== undefined) return before;
    const now = paint();
    kept.rows.set(row, now);
    return now;
  };
}
