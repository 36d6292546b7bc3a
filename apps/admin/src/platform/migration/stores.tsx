import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { Building2 } from "lucide-react";
import { useEffect, useRef, useState, type FormEvent, type ReactNode } from "react";
import { useTRPC } from "../../api.ts";
import { reasonOf } from "../../errors.ts";
import { isUnfinished, type Run } from "../../frame/runs.ts";
import { Button } from "../../ui/button.tsx";
import { DataTable } from "../../ui/data-table.tsx";
import { EmptyState } from "../../ui/empty-state.tsx";
import { Loaded } from "../../ui/loaded.tsx";
import { SearchField } from "../search-field.tsx";
import { Section } from "../section.tsx";
import { countOf, storeWords } from "../words.ts";
import { Chips } from "./chips.tsx";
import type { MigrationParams } from "./params.ts";
import { Choosing, storeColumns } from "./store-columns.tsx";
import type { CompanyStore, StoreName } from "./words.ts";

const pageSize = 100;
const stores: readonly StoreName[] = ["infisical", "hybrid", "database"];

interface StoresProps {
  readonly params: MigrationParams;
  readonly onParams: (params: MigrationParams) => void;
  /** The subdomains that are chosen, on whatever page. */
  readonly chosen: ReadonlySet<string>;
  readonly onChoose: (chosen: ReadonlySet<string>) => void;
  /** The migrations: the table changes when one of them ends. */
  readonly runs: readonly Run[] | undefined;
}

/** Where the secrets of each company are, by subdomain. Asking for it is audited. */
export function Stores({ params, onParams, chosen, onChoose, runs }: StoresProps): ReactNode {
  const store = stores.find((each) => each === params.store);
  const [company, setCompany] = useState<string>();
  const { after } = params;
  const trpc = useTRPC();
  const query = useQuery(
    trpc.migrations.status.queryOptions(
      company === undefined ? { store, after, limit: pageSize } : { company },
      { refetchOnMount: "always", placeholderData: keepPreviousData, retry: false },
    ),
  );
  useAskedAgain(runs);
  const isUnknown = company !== undefined && query.error !== null && reasonOf(query.error) === "NOT_FOUND";
  return (
    <Section
      title="Where secrets are"
      hint="A company moves by plan, copy, verify and switch, and back by a roll back. It reads and writes meanwhile."
      action={<Finder onFind={setCompany} />}
    >
      <div className="flex flex-wrap items-center justify-between gap-3">
        <Chips
          label="Store"
          value={store}
          onChange={(next) => onParams(next === undefined ? {} : { store: next })}
          options={[
            { value: undefined, label: "All" },
            ...stores.map((value) => ({ value, label: storeWords[value] })),
          ]}
        />
        <Chosen shown={query.data?.companies ?? []} chosen={chosen} onChoose={onChoose} />
      </div>
      {isUnknown ? (
        <p className="text-muted">No company is called “{company}”.</p>
      ) : (
        <Loaded query={query}>
          {({ companies }) =>
            companies.length === 0 ? (
              <EmptyState icon={Building2} title="No company is here">
                {store === undefined
                  ? "Each company is in this list, with the place of its secrets."
                  : `No company has the store “${storeWords[store]}”.`}
              </EmptyState>
            ) : (
              <Choosing value={{ chosen, onChoose }}>
                <DataTable
                  label="Where secrets are"
                  rows={companies}
                  columns={storeColumns}
                  rowKey={({ company: { id } }) => id}
                />
              </Choosing>
            )
          }
        </Loaded>
      )}
      <Pages params={params} onParams={onParams} shown={query.data?.companies ?? []} />
    </Section>
  );
}

/** Asks again when a migration has begun or ended. */
function useAskedAgain(runs: readonly Run[] | undefined): void {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const going = runs
    ?.filter(isUnfinished)
    .map(({ id }) => id)
    .join(" ");
  const before = useRef(going);
  useEffect(() => {
    if (before.current !== undefined && before.current !== going)
      void queryClient.invalidateQueries(trpc.migrations.status.pathFilter());
    before.current = going;
  }, [going, queryClient, trpc]);
}

/** Finds one company by its subdomain, with Enter: each look is audited. */
function Finder({ onFind }: { readonly onFind: (company: string | undefined) => void }): ReactNode {
  const [text, setText] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    onFind(text.trim() === "" ? undefined : text.trim());
  };
  return (
    <form role="search" onSubmit={submit} className="flex items-center gap-2">
      <SearchField
        label="Find a company by its subdomain"
        value={text}
        onChange={(next) => {
          setText(next);
          if (next === "") onFind(undefined);
        }}
      />
      <Button type="submit">Find</Button>
    </form>
  );
}

function Chosen({
  shown,
  chosen,
  onChoose,
}: Pick<StoresProps, "chosen" | "onChoose"> & { readonly shown: readonly CompanyStore[] }): ReactNode {
  const names = shown.map(({ company }) => company.subdomain);
  const isWhole = names.every((name) => chosen.has(name));
  return (
    <div className="flex flex-wrap items-center gap-2">
      {chosen.size > 0 && (
        <>
          <span role="status">{countOf(chosen.size, "company", "companies")} chosen</span>
          <Button kind="quiet" onClick={() => onChoose(new Set())}>
            Choose none
          </Button>
        </>
      )}
      {!isWhole && (
        <Button kind="quiet" onClick={() => onChoose(new Set([...chosen, ...names]))}>
          Choose all {names.length} of this page
        </Button>
      )}
    </div>
  );
}

function Pages({
  params,
  onParams,
  shown,
}: Pick<StoresProps, "params" | "onParams"> & { readonly shown: readonly CompanyStore[] }): ReactNode {
  const last = shown.at(-1)?.company.subdomain;
  const { after, ...first } = params;
  const hasMore = shown.length === pageSize && last !== undefined;
  if (after === undefined && !hasMore) return null;
  return (
    <div className="flex gap-2">
      {after !== undefined && <Button onClick={() => onParams(first)}>From the first one</Button>}
      {hasMore && <Button onClick={() => onParams({ ...first, after: last })}>Next {pageSize}</Button>}
    </div>
  );
}
