import { Popover as Radix } from "radix-ui";
import { useState, type ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { Chip } from "./filter-chip.tsx";
import { isPreset, presets, type AuditSearch, type Preset } from "./search.ts";
import { wordsOfSpan } from "./span-words.ts";
import { dayAfter, dayOf, startOfDay, type Span } from "./span.ts";

interface TimeFilterProps {
  readonly search: AuditSearch;
  readonly span: Span;
  readonly onSearch: (change: AuditSearch) => void;
}

/** Which time is looked at: up to now, or from one day to another. */
export function TimeFilter({ search, span, onSearch }: TimeFilterProps): ReactNode {
  const preset: Preset = search.last ?? "7d";
  const choose = (last: Preset): void =>
    onSearch({ last: last === "7d" ? undefined : last, from: undefined, to: undefined });
  const isDefault = span.isOpen && preset === "7d";
  return (
    <Chip
      label="Time"
      chosen={span.isOpen ? presets[preset].label : wordsOfSpan(span.from, span.to)}
      {...(!isDefault && { onClear: () => choose("7d") })}
    >
      <div className="grid gap-3">
        <ul className="-mx-1 grid">
          {Object.entries(presets).map(([value, { label }]) => (
            <li key={value}>
              <Radix.Close asChild>
                <button
                  type="button"
                  aria-pressed={span.isOpen && value === preset}
                  onClick={() => isPreset(value) && choose(value)}
                  className="flex min-h-(--control-height) w-full items-center rounded-control px-2 text-left hover:bg-sunken aria-pressed:font-medium aria-pressed:text-accent"
                >
                  {label}
                </button>
              </Radix.Close>
            </li>
          ))}
        </ul>
        <Days
          span={span}
          onChoose={(from, to) =>
            onSearch({ last: undefined, from: from.toISOString(), to: to.toISOString() })
          }
        />
      </div>
    </Chip>
  );
}

/** From the begin of one day to the end of another, in local time. */
function Days({
  span,
  onChoose,
}: {
  readonly span: Span;
  readonly onChoose: (from: Date, to: Date) => void;
}): ReactNode {
  const [first, setFirst] = useState(dayOf(span.from));
  const [last, setLast] = useState(dayOf(new Date(span.to.getTime() - 1)));
  const from = startOfDay(first);
  const to = dayAfter(last);
  const isSpan = from !== undefined && to !== undefined && from < to;
  return (
    <div className="grid gap-2 border-t border-line pt-3">
      <div className="grid grid-cols-2 gap-2">
        <TextField
          label="First day"
          type="date"
          value={first}
          onChange={(event) => setFirst(event.target.value)}
        />
        <TextField
          label="Last day"
          type="date"
          value={last}
          onChange={(event) => setLast(event.target.value)}
        />
      </div>
      <Radix.Close asChild>
        <Button
          disabled={!isSpan}
          onClick={() => {
            if (isSpan) onChoose(from, to);
          }}
        >
          Show these days
        </Button>
      </Radix.Close>
    </div>
  );
}
