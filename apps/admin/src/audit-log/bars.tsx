import { useRef, useState, type KeyboardEvent, type ReactNode } from "react";

export interface StackedBar {
  /** What it is of, and how much. */
  readonly label: string;
  /** From the bottom up, one for each of `looks`. */
  readonly parts: readonly number[];
}

interface BarsProps {
  readonly label: string;
  /** At most 62: more are too thin to hit. */
  readonly bars: readonly StackedBar[];
  /** The class of each part, such as "fill-accent". */
  readonly looks: readonly string[];
  readonly onSelect: (index: number) => void;
  /** The bar under the pointer or with the focus. */
  readonly onPoint: (index: number | undefined) => void;
}

/** A part that is there is seen, however small it is: a share of the height of all. */
const leastHeight = 0.03;

/** Stacked bars. Each is a button; the arrow keys go from one to the next. The numbers are to be told beside it, as a table. */
export function Bars({ label, bars, looks, onSelect, onPoint }: BarsProps): ReactNode {
  const [current, setCurrent] = useState(bars.length - 1);
  const row = useRef<HTMLDivElement>(null);
  const totals = bars.map(({ parts }) => parts.reduce((sum, part) => sum + part, 0));
  const most = Math.max(1, ...totals);
  const heights = bars.map(({ parts }) =>
    parts.map((part) => (part === 0 ? 0 : Math.max(leastHeight, part / most))),
  );
  const highest = Math.max(1, ...heights.map((parts) => parts.reduce((sum, part) => sum + part, 0)));

  const move = (event: KeyboardEvent): void => {
    const last = bars.length - 1;
    const to = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const index = Math.min(last, Math.max(0, to));
    setCurrent(index);
    row.current?.querySelectorAll("button")[index]?.focus();
  };

  return (
    <div className="relative h-24">
      <svg
        aria-hidden
        className="absolute inset-0 size-full"
        viewBox={`0 0 ${bars.length} 1`}
        preserveAspectRatio="none"
      >
        {heights.flatMap((parts, x) =>
          parts.map((height, part) => {
            const below = parts.slice(0, part).reduce((sum, each) => sum + each, 0);
            return (
              <rect
                key={`${x}-${looks[part]}`}
                x={x + 0.12}
                width={0.76}
                y={1 - (below + height) / highest}
                height={height / highest}
                className={looks[part]}
              />
            );
          }),
        )}
      </svg>
      {/* oxlint-disable-next-line jsx-a11y/interactive-supports-focus -- its buttons have the focus, one at a time */}
      <div
        ref={row}
        role="toolbar"
        aria-label={label}
        className="absolute inset-0 flex"
        onKeyDown={move}
        onPointerLeave={() => onPoint(undefined)}
      >
        {bars.map((bar, i) => (
          <button
            key={bar.label}
            type="button"
            aria-label={bar.label}
            tabIndex={i === Math.min(current, bars.length - 1) ? 0 : -1}
            onClick={() => onSelect(i)}
            onFocus={() => onPoint(i)}
            onBlur={() => onPoint(undefined)}
            onPointerEnter={() => onPoint(i)}
            className="min-w-0 flex-1 rounded-[2px] hover:bg-ink/5"
          />
        ))}
      </div>
    </div>
  );
}
