import { useEffect, type ReactNode } from "react";
import iconUrl from "../icon.svg";

const product = "Tenant Secrets";

interface VisitorPageProps {
  /** The heading. Without one it is the name of the product. */
  readonly title?: string;
  readonly children: ReactNode;
}

/** A page of a person whose sign-in is not complete: one column, and the name of the product. */
export function VisitorPage({ title, children }: VisitorPageProps): ReactNode {
  useEffect(() => {
    document.title = title === undefined ? product : `${title} · ${product}`;
  }, [title]);
  return (
    <main className="mx-auto grid min-h-svh w-full max-w-[408px] grid-cols-[minmax(0,1fr)] content-center gap-6 px-6 py-12">
      <div className="flex items-center gap-3">
        <img src={iconUrl} alt="" width="32" height="32" />
        {title === undefined ? (
          <h1 className="text-title font-medium tracking-[-0.01em]">{product}</h1>
        ) : (
          <p className="font-medium text-muted">{product}</p>
        )}
      </div>
      {title !== undefined && <h1 className="text-title font-medium tracking-[-0.01em]">{title}</h1>}
      {children}
    </main>
  );
}
