import { Link } from "@tanstack/react-router";
import { ArchiveRestore, SearchX } from "lucide-react";
import { useEffect, useMemo, useRef, type ReactNode } from "react";
import { useAccount, useCompany } from "../frame/account.ts";
import { Button } from "../ui/button.tsx";
import { sortFromText, sortToText } from "../ui/data-table-columns.ts";
import { DataTable } from "../ui/data-table.tsx";
import { EmptyState } from "../ui/empty-state.tsx";
import { Notice } from "../ui/notice.tsx";
import { useDraftKeys } from "./drafts.ts";
import type { SecretList } from "./form-catalog.ts";
import { useChangesByOthers } from "./list-changes.ts";
import { hybridColumns, narrowColumns, wideColumns, type ShownRow } from "./list-columns.tsx";
import { useRowMenus } from "./list-acts.tsx";
import { MissingSecrets, UnlistedSecrets } from "./list-rest.tsx";
import type { ListRows, SecretRow } from "./list-rows.ts";

interface SecretsTableProps {
  readonly list: SecretList;
  readonly rows: ListRows;
  /** Those of `rows` that search and filter leave. */
  readonly shown: ListRows;
  readonly selected: string | undefined;
  /** As the address has it. */
  readonly sort: string | undefined;
  readonly onSort: (sort: string | undefined) => void;
  readonly onClear: () => void;
}

export function SecretsTable({
  list,
  rows,
  shown,
  selected,
  sort,
  onSort,
  onClear,
}: SecretsTableProps): ReactNode {
  const { subdomain: company, can } = useCompany();
  const { id } = useAccount();
  const drafted = useDraftKeys(company);
  const changes = useChangesByOthers(list.secrets, id);
  const box = useFocusReturn(selected);
  const whole = list.store === "hybrid" ? hybridColumns : wideColumns;
  const { columns, dialog } = useRowMenus(list, selected === undefined ? whole : narrowColumns);
  const all = useMemo(
    () =>
      new Map(
        rows.set.map((row): readonly [SecretRow, ShownRow] => [
          row,
          {
            ...row,
            company,
            changedBy: changes.get(row.secretKey),
            hasDraft: drafted.includes(row.secretKey),
            isOpen: row.secretKey === selected,
          },
        ]),
      ),
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- the changes are those of the list
    [rows.set, company, list, drafted, selected],
  );
  // A search takes rows away, and leaves the others the same objects.
  const set = useMemo(() => shown.set.flatMap((row) => all.get(row) ?? []), [shown.set, all]);
  const isNothing = [shown.set, shown.missing, shown.unlisted].every(({ length }) => length === 0);
  const isEmpty = rows.set.length === 0;
  return (
    <div ref={box} className="grid min-w-0 gap-6">
      {list.missing !== undefined && (
        <Notice kind="warn" title="Infisical could not be asked">
          Secrets that are only there are not in this list. They are not lost.
        </Notice>
      )}
      {isEmpty && !isNothing && can("write") && (
        <p className="max-w-[60ch] text-muted">
          {company} has entrusted no credential to this product yet. Add those that you use, or import a file
          of them.
        </p>
      )}
      {!(isEmpty && !isNothing) && (shown.set.length > 0 || isNothing) && (
        <DataTable
          label="Secrets"
          rows={set}
          columns={columns}
          rowKey={({ secretKey }) => secretKey}
          sort={sortFromText(sort, whole)}
          onSort={(next) => onSort(sortToText(next))}
          noMatch={
            <EmptyState
              icon={SearchX}
              title="No secret matches"
              action={<Button onClick={onClear}>Clear search and filters</Button>}
            >
              Names, labels, purposes and the last characters of values are searched.
            </EmptyState>
          }
        />
      )}
      <MissingSecrets company={company} rows={shown.missing} drafted={drafted} canWrite={can("write")} />
      <UnlistedSecrets rows={shown.unlisted} />
      {dialog}
      {list.capabilities.recovery && (
        <Link
          to="/c/$company/secrets/removed"
          params={{ company }}
          className="inline-flex min-h-6 items-center gap-1.5 justify-self-start text-muted hover:text-ink hover:underline"
        >
          <ArchiveRestore size={16} aria-hidden />
          Removed secrets
        </Link>
      )}
    </div>
  );
}

/** Gives the focus back to the row whose panel was closed. */
function useFocusReturn(selected: string | undefined) {
  const box = useRef<HTMLDivElement>(null);
  const before = useRef(selected);
  useEffect(() => {
    const closed = before.current;
    before.current = selected;
    if (closed === undefined || selected !== undefined) return;
    const row = box.current?.querySelector(`[data-secret="${CSS.escape(closed)}"]`);
    if (row instanceof HTMLElement) row.focus();
  }, [selected]);
  return box;
}
