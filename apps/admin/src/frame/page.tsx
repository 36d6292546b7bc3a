import { useEffect, useRef, type ReactNode } from "react";

interface PageProps {
  readonly title: string;
  /** Beside the title: badges, counts. */
  readonly beside?: ReactNode;
  /** On the right of the title: a search field, and the one primary button of the page. */
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

let isFirstPage = true;

/**
 * A page of the app: its title in the window and as the heading, which gets the focus when one comes from another page, where no
 * field of the page has taken it.
 */
export function Page({ title, beside, actions, children }: PageProps): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Tenant Secrets`;
  }, [title]);
  useEffect(() => {
    const isTaken = box.current?.contains(document.activeElement) === true;
    if (!isFirstPage && !isTaken) heading.current?.focus({ preventScroll: true });
    isFirstPage = false;
  }, []);
  return (
    <div
      ref={box}
      className="mx-auto grid w-full max-w-[1200px] grid-cols-[minmax(0,1fr)] gap-4 px-4 py-5 tablet:px-6"
    >
      <header className="flex min-h-8 flex-wrap items-center gap-x-3 gap-y-2">
        <h1 ref={heading} tabIndex={-1} className="min-w-0 text-title font-medium tracking-[-0.01em]">
          {title}
        </h1>
        {beside}
        {actions !== undefined && (
          <div data-page-actions className="ml-auto flex flex-wrap items-center gap-2">
            {actions}
          </div>
        )}
      </header>
      {children}
    </div>
  );
}
