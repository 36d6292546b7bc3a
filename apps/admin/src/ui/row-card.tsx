import type { ReactNode } from "react";
import type { Column } from "./data-table-columns.ts";

/** A row of a DataTable on a phone. */
export function RowCard<Row>({
  row,
  columns,
}: {
  readonly row: Row;
  readonly columns: readonly Column<Row>[];
}): ReactNode {
  const at = (place: Column<Row>["onPhone"]) => columns.filter(({ onPhone }) => onPhone === place);
  return (
    <li data-row className="relative grid gap-2 rounded-panel border border-line bg-surface p-3">
      <div className="flex items-start gap-2">
        <div className="min-w-0 flex-1">
          {at("heading").map(({ id, cell }) => (
            <div key={id}>{cell(row)}</div>
          ))}
        </div>
        {at("corner").map(({ id, cell }) => (
          <div key={id}>{cell(row)}</div>
        ))}
      </div>
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1">
        {at(undefined).map(({ id, header, cell }) => (
          <div key={id} className="contents">
            <dt className="text-muted">{header}</dt>
            <dd className="min-w-0 text-right">{cell(row)}</dd>
          </div>
        ))}
      </dl>
    </li>
  );
}
