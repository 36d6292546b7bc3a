import { useQuery } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { accountQuery } from "./account.ts";
import { Page } from "./page.tsx";

const everyMs = 5000;

/** In place of each page of a company that an operator has suspended, until it is resumed. */
export function SuspendedPage({ company }: { readonly company: string }): ReactNode {
  const { api } = useRouter().options.context;
  useQuery({ ...accountQuery(api), refetchInterval: everyMs });
  return (
    <Page title="This company is suspended">
      <div className="grid max-w-[60ch] gap-2 text-muted">
        <p>
          The secrets of {company} are neither read nor written, and its API keys open nothing, until an
          operator of this platform resumes it. Nothing was deleted.
        </p>
        <p>This page goes on by itself then.</p>
      </div>
    </Page>
  );
}
