import type { ReactNode } from "react";

const widths = ["w-56", "w-40", "w-64", "w-48"];

/** Rows of the height that the list will have, after 150 ms: a fast answer shows none. */
export function SkeletonRows({ rows = 6 }: { readonly rows?: number }): ReactNode {
  return (
    <div role="status" className="divide-y divide-line rounded-panel border border-line bg-surface">
      <span className="sr-only">Loading</span>
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} className="flex h-(--row) items-center gap-4 px-3">
          <div className={`skeleton h-3 max-w-1/2 ${widths[i % widths.length]}`} />
          <div className="skeleton ml-auto h-3 w-16" />
        </div>
      ))}
    </div>
  );
}
