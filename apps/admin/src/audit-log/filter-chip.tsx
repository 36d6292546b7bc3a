import { Check, ChevronDown, X } from "lucide-react";
import { Popover as Radix } from "radix-ui";
import { useState, type ReactNode } from "react";
import { controlLook } from "../ui/field.tsx";
import { Popover } from "../ui/menu.tsx";

export interface Option {
  readonly value: string;
  readonly label: string;
  /** Of which others it is: options of one group stand together. */
  readonly group?: string;
}

interface FilterChipProps {
  readonly label: string;
  readonly value: string | undefined;
  readonly options: readonly Option[];
  readonly onChange: (value: string | undefined) => void;
  /** What may be typed that is no option, such as "Another secret key". Without it the field only narrows the options. */
  readonly other?: string;
}

/** A filter: a button that opens what it can be, and says what it is; with one that takes it away. */
export function FilterChip({ label, value, options, onChange, other }: FilterChipProps): ReactNode {
  const chosen = options.find((option) => option.value === value)?.label ?? value;
  return (
    <Chip label={label} chosen={chosen} {...(value !== undefined && { onClear: () => onChange(undefined) })}>
      <Choices options={options} value={value} onChange={onChange} other={other} />
    </Chip>
  );
}

interface ChipProps {
  readonly label: string;
  /** What is chosen; undefined where nothing is. */
  readonly chosen: string | undefined;
  /** Takes the filter away; left out where there is none. */
  readonly onClear?: () => void;
  /** What opens. */
  readonly children: ReactNode;
}

export function Chip({ label, chosen, onClear, children }: ChipProps): ReactNode {
  const isOn = onClear !== undefined;
  const look = isOn ? "border-accent bg-accent-bg text-accent" : "border-line bg-surface text-muted";
  return (
    <div className={`inline-flex max-w-full min-w-0 rounded-full border ${look}`}>
      <Popover
        label={label}
        trigger={
          <button
            type="button"
            className="flex h-(--control-height) min-w-0 items-center gap-1.5 rounded-full px-3 hover:text-ink"
          >
            <span className="shrink-0">
              {label}
              {chosen !== undefined && ":"}
            </span>
            {chosen !== undefined && (
              <span className={`truncate ${isOn ? "font-medium" : "text-ink"}`}>{chosen}</span>
            )}
            <ChevronDown size={14} aria-hidden className="shrink-0" />
          </button>
        }
      >
        {children}
      </Popover>
      {onClear !== undefined && (
        <button
          type="button"
          aria-label={`Take the filter away: ${label}`}
          onClick={onClear}
          className="-ml-2 grid h-(--control-height) w-8 shrink-0 place-content-center rounded-full hover:text-ink"
        >
          <X size={14} aria-hidden />
        </button>
      )}
    </div>
  );
}

const optionLook =
  "flex min-h-(--control-height) w-full items-center gap-2 rounded-control px-2 text-left hover:bg-sunken";

function Choices({
  options,
  value,
  onChange,
  other,
}: Pick<FilterChipProps, "options" | "value" | "onChange"> & {
  readonly other: string | undefined;
}): ReactNode {
  const [text, setText] = useState("");
  const sought = text.trim();
  const fitting = options.filter(({ label }) => label.toLowerCase().includes(sought.toLowerCase()));
  const isOther = other !== undefined && sought !== "" && !options.some((option) => option.value === sought);
  const hasField = other !== undefined || options.length > 8;
  return (
    <div className="grid gap-2">
      {hasField && (
        <input
          aria-label={other ?? "Narrow down"}
          placeholder={other ?? "Narrow down"}
          value={text}
          onChange={(event) => setText(event.target.value)}
          autoComplete="off"
          autoCapitalize="none"
          autoCorrect="off"
          spellCheck={false}
          className={`${controlLook} h-(--control-height)`}
        />
      )}
      <ul className="-mx-1 grid max-h-72 overflow-auto p-1">
        {fitting.map((option, i) => (
          <li key={option.value}>
            {option.group !== undefined && option.group !== fitting[i - 1]?.group && (
              <p className="px-2 pt-2 pb-1 text-small font-medium text-muted">{option.group}</p>
            )}
            <Radix.Close asChild>
              <button
                type="button"
                aria-pressed={option.value === value}
                onClick={() => onChange(option.value)}
                className={optionLook}
              >
                <span className="min-w-0 flex-1 truncate">{option.label}</span>
                {option.value === value && <Check size={16} aria-hidden className="shrink-0" />}
              </button>
            </Radix.Close>
          </li>
        ))}
        {isOther && (
          <li>
            <Radix.Close asChild>
              <button type="button" onClick={() => onChange(sought)} className={optionLook}>
                <span className="min-w-0 truncate">Use “{sought}”</span>
              </button>
            </Radix.Close>
          </li>
        )}
        {fitting.length === 0 && !isOther && <li className="px-2 py-1 text-muted">None is called so.</li>}
      </ul>
    </div>
  );
}
