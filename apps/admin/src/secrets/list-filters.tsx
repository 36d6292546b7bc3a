import { Search, X } from "lucide-react";
import type { ReactNode } from "react";
import { controlLook } from "../ui/field.tsx";
import { filters, type Shown } from "./list-search.ts";

const words: Readonly<Record<Shown, string>> = {
  set: "set",
  missing: "missing",
  rejected: "rejected",
  expiring: "expiring",
  pending: "pending",
};

interface FiltersProps {
  readonly counts: Readonly<Record<Shown, number>>;
  readonly shown: Shown | undefined;
  readonly onShow: (shown: Shown | undefined) => void;
}

/** How many secrets are in which state; a click shows those alone, and another one all again. */
export function Filters({ counts, shown, onShow }: FiltersProps): ReactNode {
  const offered = filters.filter((filter) => filter === "set" || filter === shown || counts[filter] > 0);
  return (
    <div role="group" aria-label="Filters" className="flex flex-wrap gap-1.5">
      {offered.map((filter) => {
        const isOn = filter === shown;
        return (
          <button
            key={filter}
            type="button"
            aria-pressed={isOn}
            onClick={() => onShow(isOn ? undefined : filter)}
            className={`inline-flex min-h-7 items-center gap-1 rounded-full border px-2.5 text-small font-medium tabular-nums pointer-coarse:min-h-11 ${isOn ? "border-accent bg-accent-bg text-accent" : "border-line bg-surface text-muted hover:border-control hover:text-ink"}`}
          >
            {counts[filter]} {words[filter]}
            {isOn && <X size={12} aria-hidden />}
          </button>
        );
      })}
    </div>
  );
}

interface SearchFieldProps {
  readonly text: string;
  readonly onText: (text: string) => void;
}

/** Finds on the page, at each letter; `/` leads to it. */
export function SearchField({ text, onText }: SearchFieldProps): ReactNode {
  return (
    <div className="relative max-tablet:w-full">
      <Search
        size={16}
        aria-hidden
        className="pointer-events-none absolute top-1/2 left-2.5 -translate-y-1/2 text-muted"
      />
      <input
        type="search"
        aria-label="Search secrets"
        aria-keyshortcuts="/"
        placeholder="Search by name, purpose, hint"
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        value={text}
        onChange={(event) => onText(event.target.value)}
        className={`${controlLook} h-(--control-height) pl-8 tablet:w-72`}
      />
    </div>
  );
}
