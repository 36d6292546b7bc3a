import type { ReactNode } from "react";

interface ChipsProps<Value extends string> {
  /** What is chosen by them; read aloud. */
  readonly label: string;
  readonly value: Value | undefined;
  readonly onChange: (value: Value | undefined) => void;
  readonly options: readonly { readonly value: Value | undefined; readonly label: string }[];
}

/** One of a few, of which one is on: which rows of a list there are. */
export function Chips<Value extends string>({
  label,
  value,
  onChange,
  options,
}: ChipsProps<Value>): ReactNode {
  return (
    <div role="group" aria-label={label} className="flex flex-wrap gap-1.5">
      {options.map((option) => (
        <button
          key={option.label}
          type="button"
          aria-pressed={option.value === value}
          onClick={() => onChange(option.value)}
          className="inline-flex min-h-7 items-center rounded-full border border-line bg-surface px-2.5 text-small font-medium text-muted tabular-nums hover:border-control hover:text-ink aria-pressed:border-accent aria-pressed:bg-accent-bg aria-pressed:text-accent pointer-coarse:min-h-11"
        >
          {option.label}
        </button>
      ))}
    </div>
  );
}
