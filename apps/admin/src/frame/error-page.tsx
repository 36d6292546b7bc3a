import type { ErrorComponentProps } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { ErrorNotice } from "../ui/notice.tsx";

/** Where a page could not come up at all. */
export function ErrorPage({ error }: ErrorComponentProps): ReactNode {
  return (
    <main className="mx-auto grid max-w-160 gap-4 px-4 py-16">
      <h1 className="text-title font-medium">This page did not come up</h1>
      <ErrorNotice error={error} onRetry={() => location.reload()} />
    </main>
  );
}
