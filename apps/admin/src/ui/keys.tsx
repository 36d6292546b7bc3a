import type { ReactNode } from "react";

/** Keys that are pressed together, or one after the other. */
export function Keys({ keys }: { readonly keys: readonly string[] }): ReactNode {
  return (
    <span className="inline-flex gap-1">
      {keys.map((key) => (
        <kbd
          key={key}
          className="grid h-5 min-w-5 place-items-center rounded-[4px] border border-line bg-sunken px-1 font-sans text-small text-muted"
        >
          {key}
        </kbd>
      ))}
    </span>
  );
}
