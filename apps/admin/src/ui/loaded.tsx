import type { ReactNode } from "react";
import { ErrorNotice } from "./notice.tsx";
import { SkeletonRows } from "./skeleton.tsx";

interface LoadedProps<Data> {
  /** What of a query it needs. */
  readonly query: {
    readonly data: Data | undefined;
    readonly error: unknown;
    readonly refetch: () => unknown;
  };
  readonly children: (data: Data) => ReactNode;
  /** Until the answer is there. Default: rows. */
  readonly skeleton?: ReactNode;
}

/** The answer of a query; until it is there rows of its height, and what went wrong with a way to try again. */
export function Loaded<Data>({ query, children, skeleton }: LoadedProps<Data>): ReactNode {
  const { data, error, refetch } = query;
  return (
    <>
      {error !== null && <ErrorNotice error={error} onRetry={() => void refetch()} />}
      {data !== undefined && children(data)}
      {data === undefined && error === null && (skeleton ?? <SkeletonRows />)}
    </>
  );
}
