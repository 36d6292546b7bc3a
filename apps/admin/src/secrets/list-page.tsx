import { useQuery } from "@tanstack/react-query";
import { Outlet, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useDeferredValue, useEffect, useMemo, useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { Page } from "../frame/page.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { SecretsActions } from "./form-actions.tsx";
import { Filters, SearchField } from "./list-filters.tsx";
import { countsOf, filterRows, looksLikeValue, rowsOf } from "./list-rows.ts";
import { readSecretsSearch, type SecretsSearch } from "./list-search.ts";
import { SecretsTable } from "./list-table.tsx";
import { useIsWide } from "./list-width.ts";
import { PanelPartProvider } from "./panel-part.tsx";

const from = "/signed-in/c/$company/secrets";

/** How long after the last letter a search goes into the address, in milliseconds. */
const intoAddressMs = 250;

/** The secrets of a company, without a value; and beside them, or on phones in their place, the panel of one. */
export function SecretsPage(): ReactNode {
  const { secretKey } = useParams({ strict: false });
  const isWide = useIsWide();
  const { subdomain: company } = useCompany();
  return (
    <PanelPartProvider key={company} company={company} secretKey={secretKey}>
      {secretKey !== undefined && !isWide ? (
        <Outlet />
      ) : (
        <SecretsList company={company} selected={secretKey} />
      )}
    </PanelPartProvider>
  );
}

function SecretsList({
  company,
  selected,
}: {
  readonly company: string;
  readonly selected: string | undefined;
}): ReactNode {
  const trpc = useTRPC();
  const list = useQuery(trpc.secrets.list.queryOptions({ company }));
  const catalog = useQuery(trpc.catalog.describe.queryOptions());
  const search = useSearch({ from });
  const navigate = useNavigate();
  const [text, setText] = useState(search.q ?? "");
  const sought = useDeferredValue(text);
  const rows = useMemo(
    () => list.data && catalog.data && rowsOf(list.data, catalog.data),
    [list.data, catalog.data],
  );
  const counts = useMemo(() => rows && countsOf(rows), [rows]);
  const shown = useMemo(() => rows && filterRows(rows, sought, search.show), [rows, sought, search.show]);

  const change = (changed: {
    readonly [Key in keyof SecretsSearch]: SecretsSearch[Key] | undefined;
  }): void => {
    void navigate({
      to: ".",
      search: (before: SecretsSearch) => readSecretsSearch({ ...before, ...changed }),
      replace: true,
      resetScroll: false,
    });
  };
  const kept =
    text === "" || (catalog.data !== undefined && looksLikeValue(text, catalog.data)) ? undefined : text;
  useEffect(() => {
    if (kept === search.q || catalog.data === undefined) return;
    const timer = setTimeout(() => change({ q: kept }), intoAddressMs);
    return () => clearTimeout(timer);
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- `change` does the same at each time
  }, [kept, search.q, catalog.data]);

  const clear = (): void => {
    setText("");
    change({ q: undefined, show: undefined });
  };
  return (
    <Page
      title="Secrets"
      beside={counts && <Filters counts={counts} shown={search.show} onShow={(show) => change({ show })} />}
      actions={
        <>
          <SearchField text={text} onText={setText} />
          <SecretsActions />
        </>
      }
    >
      <Loaded query={list}>
        {(data) =>
          rows !== undefined &&
          shown !== undefined && (
            <div
              className={
                selected === undefined ? "grid" : "grid grid-cols-[minmax(0,1fr)_480px] items-start gap-6"
              }
            >
              <SecretsTable
                list={data}
                rows={rows}
                shown={shown}
                selected={selected}
                sort={search.sort}
                onSort={(sort) => change({ sort })}
                onClear={clear}
              />
              <Outlet />
            </div>
          )
        }
      </Loaded>
    </Page>
  );
}
