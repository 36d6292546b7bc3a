import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { ErrorNotice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { counts, countWords, type Count } from "./action-words.ts";
import { Bars } from "./bars.tsx";
import { countOfFilters, type AuditSearch } from "./search.ts";
import { wordsOfBar, wordsOfStep } from "./span-words.ts";
import { barsOf, type Bar, type Span, type Step } from "./span.ts";

const looks: Readonly<Record<Count, readonly [fill: string, swatch: string]>> = {
  reads: ["fill-control", "bg-control"],
  reveals: ["fill-accent", "bg-accent"],
  changes: ["fill-ok", "bg-ok"],
  denials: ["fill-danger", "bg-danger"],
};

const number = new Intl.NumberFormat("en-GB");

interface ChartProps {
  readonly query: ReturnType<typeof useSummary>;
  readonly span: Span;
  readonly search: AuditSearch;
  readonly onSearch: (change: AuditSearch) => void;
  readonly note?: string | undefined;
}

interface AsksForSummary {
  readonly company: string | undefined;
  readonly span: Span;
  readonly secretKey: string | undefined;
}

/** The counts of a time, of all secrets or of one. */
export function useSummary({ company, span, secretKey }: AsksForSummary) {
  const trpc = useTRPC();
  const { from, to, by, step } = span;
  return useQuery(
    trpc.audit.summary.queryOptions(
      { company, from, to, by, secretKey },
      { enabled: step !== undefined, placeholderData: keepPreviousData, gcTime: 0 },
    ),
  );
}

/** How much was read, revealed, changed and refused, over the time that is looked at. */
export function Chart({ query, span: { step }, search, onSearch, note }: ChartProps): ReactNode {
  const { data, error, refetch } = query;
  if (step === undefined) {
    return <p className="text-muted">The chart shows at most 1,000 days. Choose a shorter time to see it.</p>;
  }
  if (error !== null) return <ErrorNotice error={error} onRetry={() => void refetch()} />;
  return (
    <section
      aria-label="How much was done"
      className="grid min-h-[220px] content-start gap-3 rounded-panel border border-line bg-surface px-4 py-3"
    >
      {data !== undefined && (
        <Shown search={search} onSearch={onSearch} note={note} bars={barsOf(data, step)} step={step} />
      )}
    </section>
  );
}

interface ShownProps extends Pick<ChartProps, "search" | "onSearch" | "note"> {
  readonly bars: readonly Bar[];
  readonly step: Step;
}

function Shown({ bars, step, search, onSearch, note }: ShownProps): ReactNode {
  const [pointed, setPointed] = useState<number>();
  const total = (count: Count): number => bars.reduce((sum, bar) => sum + bar[count], 0);
  const bar = pointed === undefined ? undefined : bars[pointed];
  const isNarrower = countOfFilters({ ...search, secret: undefined, company: undefined }) > 0;
  return (
    <>
      <div className="-mx-2 flex flex-wrap items-center gap-x-1">
        {counts.map((count) => (
          <Legend key={count} count={count} total={total(count)} search={search} onSearch={onSearch} />
        ))}
      </div>
      <Bars
        label="Bars of time: one shows only that time"
        bars={bars.map((each) => ({
          label: `Only ${wordsOfBar(each, step)}: ${amountsOf(each)}`,
          parts: counts.map((count) => each[count]),
        }))}
        looks={counts.map((count) => looks[count][0])}
        onSelect={(index) => {
          const { from, to } = bars[index] ?? {};
          if (bars.length > 1) {
            onSearch({ last: undefined, from: from?.toISOString(), to: to?.toISOString() });
          }
        }}
        onPoint={setPointed}
      />
      <div className="-mt-1 flex justify-between gap-4 border-t border-line pt-2 text-small text-muted tabular-nums">
        {bar === undefined ? (
          <Ends bars={bars} />
        ) : (
          <span className="text-ink">
            {wordsOfBar(bar, step)}: {amountsOf(bar)}
          </span>
        )}
      </div>
      <p className="-mt-2 text-small text-muted">{wordsOfStep(step)}</p>
      {isNarrower && (
        <p className="text-small text-muted">
          These counts are of everybody and of all requests: who, what and outcome narrow the list alone.
        </p>
      )}
      {note !== undefined && <p className="text-small text-muted">{note}</p>}
      <CountsTable bars={bars} step={step} />
    </>
  );
}

function Ends({ bars }: { readonly bars: readonly Bar[] }): ReactNode {
  const [first] = bars;
  const last = bars.at(-1);
  if (first === undefined || last === undefined) return null;
  return (
    <>
      <Time at={first.from} as="exact" />
      <Time at={last.to} as="exact" />
    </>
  );
}

/** A count of all bars; a click lists what it counts. */
function Legend({
  count,
  total,
  search,
  onSearch,
}: Pick<ChartProps, "search" | "onSearch"> & {
  readonly count: Count;
  readonly total: number;
}): ReactNode {
  const filter: AuditSearch =
    count === "denials" ? { action: undefined, outcome: "denied" } : { action: count, outcome: "success" };
  const isOn = search.action === filter.action && search.outcome === filter.outcome;
  return (
    <button
      type="button"
      aria-pressed={isOn}
      onClick={() => onSearch(isOn ? { action: undefined, outcome: undefined } : filter)}
      className="flex min-h-(--control-height) items-center gap-2 rounded-control px-2 hover:bg-sunken aria-pressed:bg-accent-bg aria-pressed:text-accent"
    >
      <span aria-hidden className={`size-2.5 rounded-[3px] ${looks[count][1]}`} />
      <span className="text-section font-medium tabular-nums">{number.format(total)}</span>
      <span className={isOn ? "" : "text-muted"}>{wordOf(count, total)}</span>
    </button>
  );
}

function CountsTable({ bars, step }: Pick<ShownProps, "bars" | "step">): ReactNode {
  return (
    <div className="sr-only">
      <table>
        <caption>How much was done in each bar. Times without anything are left out.</caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {counts.map((count) => (
              <th key={count} scope="col">
                {countWords[count]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {bars
            .filter((bar) => counts.some((count) => bar[count] > 0))
            .map((bar) => (
              <tr key={bar.from.getTime()}>
                <th scope="row">{wordsOfBar(bar, step)}</th>
                {counts.map((count) => (
                  <td key={count}>{bar[count]}</td>
                ))}
              </tr>
            ))}
        </tbody>
      </table>
    </div>
  );
}

function amountsOf(bar: Bar): string {
  const amounts = counts.filter((count) => bar[count] > 0);
  if (amounts.length === 0) return "nothing";
  return amounts.map((count) => `${number.format(bar[count])} ${wordOf(count, bar[count])}`).join(", ");
}

function wordOf(count: Count, amount: number): string {
  return amount === 1 ? countWords[count].replace(/s$/, "") : countWords[count];
}
