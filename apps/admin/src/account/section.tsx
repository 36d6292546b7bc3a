import type { ReactNode } from "react";

interface SectionProps {
  readonly title: string;
  /** What it is for, in a sentence. */
  readonly about: ReactNode;
  readonly children: ReactNode;
}

/** A part of the account: what it is on the left, what can be changed on the right. */
export function Section({ title, about, children }: SectionProps): ReactNode {
  return (
    <section
      aria-label={title}
      className="grid gap-x-12 gap-y-3 border-t border-line py-6 desktop:grid-cols-[240px_minmax(0,1fr)]"
    >
      <div className="grid content-start gap-1">
        <h2 className="text-section font-medium">{title}</h2>
        <p className="text-muted">{about}</p>
      </div>
      <div className="grid max-w-160 content-start gap-4">{children}</div>
    </section>
  );
}

/** A thing with its actions beside it. */
export function Row({
  children,
  actions,
}: {
  readonly children: ReactNode;
  readonly actions?: ReactNode;
}): ReactNode {
  return (
    <div className="flex min-h-(--row) flex-wrap items-center gap-x-3 gap-y-2 px-4 py-2">
      <div className="grid min-w-0 flex-1">{children}</div>
      {actions !== undefined && <div className="flex flex-wrap gap-2">{actions}</div>}
    </div>
  );
}

/** The looks of a list of rows. */
export const rowsLook = "divide-y divide-line rounded-panel border border-line bg-surface";
