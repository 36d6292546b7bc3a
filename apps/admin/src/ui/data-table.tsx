import {
  columnFilteringFeature,
  createFilteredRowModel,
  createSortedRowModel,
  globalFilteringFeature,
  rowSortingFeature,
  tableFeatures,
  useTable,
  type ColumnDef,
  type SortingState,
} from "@tanstack/react-table";
import { ArrowDown, ArrowUp } from "lucide-react";
import { useMemo, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { Button } from "./button.tsx";
import { focusRow, type Column, type Sort } from "./data-table-columns.ts";
import { usePhone } from "./phone.ts";
import { RowCard } from "./row-card.tsx";
import { TableRow, usePainted } from "./table-row.tsx";

interface DataTableProps<Row> {
  /** What the rows are; read aloud. */
  readonly label: string;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly rowKey: (row: Row) => string;
  /** Only rows with this in the `text` of one of their columns, whatever its case. */
  readonly search?: string;
  /** The page keeps it, in the URL. */
  readonly sort?: Sort | undefined;
  readonly onSort?: (sort: Sort | undefined) => void;
  /** In place of the rows, where the search matches none. The header stays. */
  readonly noMatch?: ReactNode;
}

/** As many rows are painted at first, and more with each click: find-in-page and screen readers need them all to be there. */
const shownAtOnce = 300;

const features = tableFeatures({
  rowSortingFeature,
  columnFilteringFeature,
  globalFilteringFeature,
  sortedRowModel: createSortedRowModel(),
  filteredRowModel: createFilteredRowModel(),
});

/** Rows with a sort and a search; cards on phones. ↑ and ↓ go from row to row, by the link that each row has. */
export function DataTable<Row extends object>(props: DataTableProps<Row>): ReactNode {
  const { label, columns, rowKey, sort, onSort, noMatch } = props;
  const isPhone = usePhone();
  const [limit, setLimit] = useState(shownAtOnce);
  const box = useRef<HTMLDivElement>(null);
  const rows = useRows(props);
  const shown = rows.slice(0, limit);
  const painted = usePainted(columns, isPhone);
  const more = Math.min(shownAtOnce, rows.length - limit);

  const sortBy = ({ id }: Column<Row>): void => {
    if (sort?.column !== id) onSort?.({ column: id, descending: false });
    else onSort?.(sort.descending ? undefined : { column: id, descending: true });
  };

  const showMore = (): void => {
    setLimit(limit + shownAtOnce);
    // The button goes with the last rows: the focus would be lost.
    if (more < shownAtOnce) requestAnimationFrame(() => focusRow(box.current, limit));
  };

  return (
    // oxlint-disable-next-line jsx-a11y/no-static-element-interactions -- the keys are those of the links in it
    <div ref={box} className="grid gap-3" onKeyDown={moveByKeys}>
      {isPhone ? (
        <ul aria-label={label} className="grid gap-2">
          {shown.map((row) => painted(row, () => <RowCard key={rowKey(row)} row={row} columns={columns} />))}
        </ul>
      ) : (
        <div className="overflow-x-auto rounded-panel border border-line bg-surface">
          <table aria-label={label} className="w-full border-collapse">
            <thead>
              <tr>
                {columns.map((column) => (
                  <HeaderCell key={column.id} column={column} sort={sort} onSort={onSort && sortBy} />
                ))}
              </tr>
            </thead>
            <tbody>
              {shown.map((row) =>
                painted(row, () => <TableRow key={rowKey(row)} row={row} columns={columns} />),
              )}
            </tbody>
          </table>
        </div>
      )}
      {rows.length === 0 && noMatch}
      {more > 0 && (
        <div className="flex items-center gap-3">
          <Button onClick={showMore}>Show {more} more</Button>
          <span className="text-small text-muted tabular-nums">
            {shown.length} of {rows.length}
          </span>
        </div>
      )}
    </div>
  );
}

function moveByKeys(event: KeyboardEvent<HTMLElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  // A button of a menu opens it by these keys.
  if (step === undefined || event.defaultPrevented || !(event.target instanceof Element)) return;
  const row = event.target.closest("[data-row]");
  if (row === null || event.target.closest("input, select, textarea, [role=menu]") !== null) return;
  const rows = [...event.currentTarget.querySelectorAll("[data-row]")];
  event.preventDefault();
  focusRow(event.currentTarget, rows.indexOf(row) + step);
}

function HeaderCell<Row>({
  column,
  sort,
  onSort,
}: {
  readonly column: Column<Row>;
  readonly sort: Sort | undefined;
  readonly onSort: ((column: Column<Row>) => void) | undefined;
}): ReactNode {
  const { id, header, align, sortBy, onPhone } = column;
  const isSorted = sort?.column === id;
  const order = isSorted && sort.descending ? "descending" : "ascending";
  const Arrow = order === "descending" ? ArrowDown : ArrowUp;
  const place = align === "end" ? "text-right" : "text-left";
  return (
    <th
      scope="col"
      {...(isSorted && { "aria-sort": order })}
      className={`h-9 px-3 text-small font-medium whitespace-nowrap text-muted ${place}`}
    >
      {sortBy === undefined || onSort === undefined ? (
        <span className={onPhone === "corner" ? "sr-only" : ""}>{header}</span>
      ) : (
        <button
          type="button"
          onClick={() => onSort(column)}
          className="inline-flex min-h-6 items-center gap-1 hover:text-ink"
        >
          {header}
          {isSorted && <Arrow size={12} aria-hidden />}
        </button>
      )}
    </th>
  );
}

function useRows<Row extends object>({
  rows,
  columns,
  search = "",
  sort,
}: DataTableProps<Row>): readonly Row[] {
  const definitions = useMemo(
    () =>
      columns.map((column): ColumnDef<typeof features, Row> => ({
        id: column.id,
        accessorFn: (row) => column.sortBy?.(row) ?? undefined,
        sortUndefined: "last",
        sortFn: "auto",
      })),
    [columns],
  );
  const data = useMemo(() => [...rows], [rows]);
  const sorting: SortingState = sort === undefined ? [] : [{ id: sort.column, desc: sort.descending }];
  const table = useTable({
    features,
    data,
    columns: definitions,
    state: { sorting, globalFilter: search.trim() },
    getColumnCanGlobalFilter: (column) => columns.find(({ id }) => id === column.id)?.text !== undefined,
    globalFilterFn: (row, columnId, sought: string) => {
      const text = columns.find(({ id }) => id === columnId)?.text?.(row.original);
      return text?.toLowerCase().includes(sought.toLowerCase()) ?? false;
    },
  });
  return table.getRowModel().rows.map(({ original }) => original);
}
