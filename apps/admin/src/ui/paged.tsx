import type { ReactNode } from "react";
import { Button } from "./button.tsx";

interface PagedProps {
  /** An infinite query. */
  readonly query: {
    readonly hasNextPage: boolean;
    readonly isFetchingNextPage: boolean;
    readonly isPlaceholderData: boolean;
    readonly fetchNextPage: () => Promise<unknown>;
  };
  readonly children: ReactNode;
}

/** A list whose older part is asked for page by page. It is pale while what it shows is the answer to an earlier question. */
export function Paged({ query, children }: PagedProps): ReactNode {
  const { hasNextPage, isFetchingNextPage, isPlaceholderData, fetchNextPage } = query;
  return (
    <div className={`grid gap-3 ${isPlaceholderData ? "opacity-60" : ""}`} aria-busy={isPlaceholderData}>
      {children}
      {hasNextPage && (
        <div>
          <Button busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Show older
          </Button>
        </div>
      )}
    </div>
  );
}
