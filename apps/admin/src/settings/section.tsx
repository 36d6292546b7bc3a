import { useId, type ReactNode } from "react";

interface SectionProps {
  readonly title: string;
  readonly text?: string;
  readonly children: ReactNode;
}

export function Section({ title, text, children }: SectionProps): ReactNode {
  const id = useId();
  return (
    <section aria-labelledby={id} className="grid gap-3 rounded-panel border border-line bg-surface p-4">
      <div className="grid gap-1">
        <h2 id={id} className="text-section font-medium">
          {title}
        </h2>
        {text !== undefined && <p className="text-muted">{text}</p>}
      </div>
      {children}
    </section>
  );
}
