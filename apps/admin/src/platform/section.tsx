import type { ReactNode } from "react";

/** A part of a page: a heading, and below it a panel or a list. */
export function Section({
  title,
  hint,
  action,
  children,
}: {
  readonly title: string;
  readonly hint?: ReactNode;
  readonly action?: ReactNode;
  readonly children: ReactNode;
}): ReactNode {
  return (
    <section aria-label={title} className="grid grid-cols-[minmax(0,1fr)] gap-2 pt-3">
      <div className="flex min-h-8 flex-wrap items-end justify-between gap-x-4 gap-y-2">
        <div>
          <h2 className="text-section font-medium">{title}</h2>
          {hint !== undefined && <p className="max-w-[72ch] text-muted">{hint}</p>}
        </div>
        {action}
      </div>
      {children}
    </section>
  );
}

/** Rows in a panel. */
export function Panel({ children }: { readonly children: ReactNode }): ReactNode {
  return <div className="divide-y divide-line rounded-panel border border-line bg-surface">{children}</div>;
}

/** One thing of a panel: what it is, what it means, and what can be done with it. */
export function PanelRow({
  title,
  action,
  children,
}: {
  readonly title: ReactNode;
  readonly action?: ReactNode;
  readonly children: ReactNode;
}): ReactNode {
  return (
    <div className="flex flex-wrap items-center justify-between gap-x-6 gap-y-2 px-3 py-3">
      <div className="min-w-0 flex-1 basis-72">
        <h3 className="font-medium">{title}</h3>
        <div className="max-w-[72ch] text-muted">{children}</div>
      </div>
      {action}
    </div>
  );
}

/** Facts of one thing, side by side. */
export function Facts({
  facts,
}: {
  readonly facts: readonly { readonly label: string; readonly value: ReactNode }[];
}): ReactNode {
  return (
    <dl className="grid grid-cols-2 gap-x-6 gap-y-4 rounded-panel border border-line bg-surface px-3 py-3 tablet:grid-cols-3 desktop:grid-cols-6">
      {facts.map(({ label, value }) => (
        <div key={label} className="min-w-0">
          <dt className="text-small text-muted">{label}</dt>
          <dd className="break-words tabular-nums">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
