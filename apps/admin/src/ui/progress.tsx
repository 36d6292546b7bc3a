import { Progress as Radix } from "radix-ui";
import type { ReactNode } from "react";

interface ProgressProps {
  /** What goes on, such as "Wrapping the keys again". */
  readonly label: string;
  readonly done: number;
  /** Undefined where it is not known yet. */
  readonly total: number | undefined;
}

export function Progress({ label, done, total }: ProgressProps): ReactNode {
  const isKnown = total !== undefined && total > 0;
  return (
    <div className="grid gap-1">
      <div className="flex justify-between gap-4 text-small text-muted tabular-nums">
        <span>{label}</span>
        <span>{isKnown ? `${done} of ${total}` : `${done} done`}</span>
      </div>
      <Radix.Root
        aria-label={label}
        value={isKnown ? done : null}
        max={isKnown ? total : 1}
        className="h-1.5 overflow-hidden rounded-full bg-sunken outline outline-line"
      >
        <Radix.Indicator
          className="h-full bg-accent transition-[width]"
          style={{ width: isKnown ? `${Math.min(100, (100 * done) / total)}%` : "30%" }}
        />
      </Radix.Root>
    </div>
  );
}
