import { useQuery } from "@tanstack/react-query";
import { useBlocker, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { Page } from "../frame/page.tsx";
import { otherPerson } from "../frame/session.ts";
import { Button } from "../ui/button.tsx";
import { Copy } from "../ui/copy.tsx";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { Notice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import type { MadeKey } from "./making.ts";
import { coveredBy } from "./scope.ts";
import { linesToTry } from "./try-lines.ts";

/** A key that was made, this once. Leaving asks until the person says that they have kept it. */
export function ShownOnce({ made }: { readonly made: MadeKey }): ReactNode {
  const { subdomain: company } = useCompany();
  const { apiKey, description, oldEndsAt } = made;
  const navigate = useNavigate();
  const isKept = useRef(false);
  const [isGone, setGone] = useState(false);
  const blocker = useBlocker({
    shouldBlockFn: () => !isKept.current,
    enableBeforeUnload: () => !isKept.current,
    withResolver: true,
  });
  useEffect(() => {
    // Another person at the same page does not see it.
    const forget = (): void => {
      isKept.current = true;
      setGone(true);
    };
    addEventListener(otherPerson, forget);
    return () => removeEventListener(otherPerson, forget);
  }, []);
  const keep = async (): Promise<void> => {
    isKept.current = true;
    await navigate({ to: "/c/$company/api-keys", params: { company } });
  };
  if (isGone) return null;
  return (
    <Page title={`API key of ${description.name}`}>
      <div className="grid max-w-[720px] gap-6">
        <Notice kind="warn" title="It is shown this once">
          Copy it to where the program finds it. No page shows it again; a lost one is rotated.
        </Notice>
        <div className="flex items-center gap-2 rounded-panel border border-line bg-sunken p-3 print:hidden">
          <code translate="no" className="min-w-0 flex-1 py-1 font-mono text-code break-all select-all">
            {apiKey}
          </code>
          <Copy text={apiKey} label="Copy the API key" />
        </div>
        {oldEndsAt !== undefined && (
          <p className="text-muted">
            The old key works until <Time at={oldEndsAt} as="exact" />.
          </p>
        )}
        <TryIt made={made} />
        <div>
          <Button kind="primary" onClick={() => void keep()}>
            I have kept it
          </Button>
        </div>
      </div>
      <ConfirmDialog
        open={blocker.status === "blocked"}
        onClose={() => blocker.reset?.()}
        title="Have you copied the key?"
        action="Leave without it"
        onConfirm={() => blocker.proceed?.()}
      >
        It is not shown again. A key that was not copied is of no use: rotate it, or revoke it.
      </ConfirmDialog>
    </Page>
  );
}

/** Lines that use the key, without it: what stands in a line of a shell stays in its history. */
function TryIt({ made: { description } }: { readonly made: MadeKey }): ReactNode {
  const { subdomain: company } = useCompany();
  const trpc = useTRPC();
  const { data } = useQuery(trpc.secrets.list.queryOptions({ company }));
  const names = data?.secrets.map(({ secretKey }) => secretKey) ?? [];
  const { secretKeys, verbs } = description;
  const [secretKey] = [...coveredBy(secretKeys, names), ...secretKeys.filter((each) => !each.includes("*"))];
  const lines = linesToTry({ url: location.origin, company, secretKey, verbs });
  return lines.map(({ title, hint, text }) => (
    <section key={title} aria-label={title} className="grid gap-2">
      <div className="flex items-center gap-2">
        <h2 className="text-section font-medium">{title}</h2>
        <Copy text={text} label={`Copy: ${title}`} />
      </div>
      <p className="text-muted">{hint}</p>
      <pre
        translate="no"
        className="rounded-panel border border-line bg-sunken p-3 font-mono text-code wrap-anywhere whitespace-pre-wrap"
      >
        {text}
      </pre>
    </section>
  ));
}
