import { lazy, Suspense, useMemo, useState, type ReactNode } from "react";
import { useCompany } from "../frame/account.ts";
import type { Column } from "../ui/data-table-columns.ts";
import type { SecretList } from "./form-catalog.ts";
import type { ShownRow } from "./list-columns.tsx";
import { menuColumn, type RowAct } from "./list-menu.tsx";
import { useOpenPanel } from "./panel-part.tsx";

const ExpiryDialog = lazy(async () => ({ default: (await import("./expiry-dialog.tsx")).ExpiryDialog }));
const RemoveDialog = lazy(async () => ({ default: (await import("./removed-remove.tsx")).RemoveDialog }));

interface Opened {
  readonly act: Extract<RowAct, "set-expiry" | "remove">;
  readonly row: ShownRow;
}

/** The columns of the list with a menu in each row, and the dialog that a menu opened. */
export function useRowMenus(
  list: SecretList,
  columns: readonly Column<ShownRow>[],
): { readonly columns: readonly Column<ShownRow>[]; readonly dialog: ReactNode } {
  const { subdomain: company, can } = useCompany();
  const openPanel = useOpenPanel();
  const [opened, setOpened] = useState<Opened>();
  const { capabilities } = list;
  const [canWrite, canReveal, canDelete] = [can("write"), can("reveal"), can("delete")];
  const withMenu = useMemo(
    () => [
      ...columns,
      menuColumn({
        can: { write: canWrite, reveal: canReveal, delete: canDelete },
        capabilities,
        onAct: (act, row) => {
          if (act === "set-expiry" || act === "remove") setOpened({ act, row });
          else openPanel(row.secretKey, act);
        },
      }),
    ],
    [columns, canWrite, canReveal, canDelete, capabilities, openPanel],
  );
  const close = (): void => setOpened(undefined);
  return {
    columns: withMenu,
    dialog: opened !== undefined && (
      <Suspense>
        {opened.act === "set-expiry" ? (
          <ExpiryDialog company={company} secret={opened.row} onClose={close} />
        ) : (
          <RemoveDialog company={company} list={list} secret={opened.row} onClose={close} />
        )}
      </Suspense>
    ),
  };
}
