import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { ShownOncePage } from "../frame/shown-once.tsx";
import { Copy } from "../ui/copy.tsx";
import { Time } from "../ui/time.tsx";
import type { MadeKey } from "./making.ts";
import { coveredBy } from "./scope.ts";
import { linesToTry } from "./try-lines.ts";

/** A key that was made, this once. */
export function ShownOnce({ made }: { readonly made: MadeKey }): ReactNode {
  const { subdomain: company } = useCompany();
  const navigate = useNavigate();
  const { apiKey, description, oldEndsAt } = made;
  return (
    <ShownOncePage
      title={`API key of ${description.name}`}
      what="key"
      text={apiKey}
      copyLabel="Copy the API key"
      hint="Copy it to where the program finds it. No page shows it again; a lost one is rotated."
      loss="It is not shown again. A key that was not copied is of no use: rotate it, or revoke it."
      onKept={() => void navigate({ to: "/c/$company/api-keys", params: { company } })}
    >
      {oldEndsAt !== undefined && (
        <p className="text-muted">
          The old key works until <Time at={oldEndsAt} as="exact" />.
        </p>
      )}
      <TryIt made={made} />
    </ShownOncePage>
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
