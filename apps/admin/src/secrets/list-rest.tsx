import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Badge } from "../ui/badge.tsx";
import { buttonLook } from "../ui/button.tsx";
import { SecretName } from "../ui/secret-name.tsx";
import type { SecretDescription } from "./form-catalog.ts";
import type { MissingRow } from "./list-rows.ts";

interface MissingProps {
  readonly company: string;
  readonly rows: readonly MissingRow[];
  readonly drafted: readonly string[];
  readonly canWrite: boolean;
}

/** What the product could use, and the company has not entrusted to it. */
export function MissingSecrets({ company, rows, drafted, canWrite }: MissingProps): ReactNode {
  if (rows.length === 0) return null;
  return (
    <Rest title="Without a value">
      {rows.map(({ secretKey, label, purpose }) => (
        <li key={secretKey} className="flex min-h-(--row) items-center gap-3 px-3 py-2">
          <div className="grid min-w-0 flex-1 gap-x-6 gap-y-0.5 @2xl:grid-cols-[minmax(0,2fr)_minmax(0,3fr)] @2xl:items-center">
            <SecretName secretKey={secretKey} label={label} />
            <span className="text-small text-muted">{purpose}</span>
          </div>
          {drafted.includes(secretKey) && <Badge tone="warn">Draft</Badge>}
          {canWrite && (
            <Link
              to="/c/$company/secrets/new/$secretKey"
              params={{ company, secretKey }}
              aria-label={`Add ${secretKey}`}
              className={buttonLook()}
            >
              Add
            </Link>
          )}
        </li>
      ))}
    </Rest>
  );
}

/** What is in Infisical under other names. */
export function UnlistedSecrets({ rows }: { readonly rows: readonly SecretDescription[] }): ReactNode {
  if (rows.length === 0) return null;
  return (
    <Rest
      title="Not in the catalogue"
      about="They are in Infisical. This product has no use for them, so it neither reads nor writes them."
    >
      {rows.map(({ secretKey, usable }) => (
        <li key={secretKey} className="flex min-h-(--row) flex-wrap items-center gap-x-3 px-3 py-2">
          <span translate="no" className="min-w-0 font-mono text-code break-all">
            {secretKey}
          </span>
          {usable === false && <Badge>No secret key can have this name</Badge>}
        </li>
      ))}
    </Rest>
  );
}

function Rest({
  title,
  about,
  children,
}: {
  readonly title: string;
  readonly about?: string;
  readonly children: ReactNode;
}): ReactNode {
  return (
    <section aria-label={title} className="@container grid gap-2">
      <h2 className="font-medium">{title}</h2>
      {about !== undefined && <p className="max-w-[72ch] text-muted">{about}</p>}
      <ul className="divide-y divide-line rounded-panel border border-line bg-surface">{children}</ul>
    </section>
  );
}
