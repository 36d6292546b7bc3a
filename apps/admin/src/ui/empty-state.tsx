import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

interface EmptyStateProps {
  readonly icon: LucideIcon;
  readonly title: string;
  /** What this is for, in one sentence. */
  readonly children: ReactNode;
  /** One button, and a link to the documentation. */
  readonly action?: ReactNode;
}

/** In place of a list without entries. */
export function EmptyState({ icon: Icon, title, children, action }: EmptyStateProps): ReactNode {
  return (
    <div className="grid justify-items-center gap-2 rounded-panel border border-dashed border-line px-6 py-12 text-center">
      <Icon size={24} aria-hidden className="text-muted" />
      <h2 className="text-section font-medium">{title}</h2>
      <div className="max-w-[48ch] text-muted">{children}</div>
      {action !== undefined && <div className="mt-2 flex flex-wrap justify-center gap-2">{action}</div>}
    </div>
  );
}
