import { Ban, Ellipsis, RefreshCw } from "lucide-react";
import type { ReactNode } from "react";
import { Badge } from "../ui/badge.tsx";
import { IconButton } from "../ui/button.tsx";
import type { Column } from "../ui/data-table-columns.ts";
import { Menu, MenuItem } from "../ui/menu.tsx";
import { Time, useNow } from "../ui/time.tsx";
import { inWords, stateOf, type ApiKey } from "./words.ts";

interface Actions {
  readonly onRotate: (key: ApiKey) => void;
  readonly onRevoke: (key: ApiKey) => void;
}

export function columnsWith(actions: Actions): readonly Column<ApiKey>[] {
  return [
    {
      id: "name",
      header: "API key",
      cell: (key) => <NameCell apiKey={key} />,
      sortBy: ({ name }) => name.toLowerCase(),
      onPhone: "heading",
    },
    {
      id: "scope",
      header: "May do",
      cell: ({ verbs, secretKeys }) => (
        <span className="grid max-w-64 min-w-0 max-tablet:max-w-none">
          <span className="truncate">{inWords(verbs)}</span>
          <span
            translate="no"
            title={secretKeys.join(", ")}
            className="truncate font-mono text-small text-muted"
          >
            {secretKeys.includes("*") ? "all secrets" : secretKeys.join(", ")}
          </span>
        </span>
      ),
    },
    {
      id: "addresses",
      header: "From",
      cell: ({ addresses }) =>
        addresses === undefined ? (
          <span className="text-muted">Anywhere</span>
        ) : (
          <span
            className="block max-w-40 truncate max-tablet:max-w-none font-mono text-code"
            title={addresses.join(", ")}
          >
            {addresses.join(", ")}
          </span>
        ),
    },
    {
      id: "made-by",
      header: "Made by",
      cell: ({ createdBy }) => (
        <span className="block max-w-40 truncate max-tablet:max-w-none">
          {createdBy.name ?? makerWords(createdBy.kind)}
        </span>
      ),
      sortBy: ({ createdBy }) => createdBy.name,
    },
    {
      id: "last-used",
      header: "Last used",
      cell: ({ lastUsedAt }) =>
        lastUsedAt === undefined ? <span className="text-muted">Never</span> : <Time at={lastUsedAt} />,
      sortBy: ({ lastUsedAt }) => lastUsedAt,
    },
    {
      id: "expires",
      header: "Ends",
      cell: (key) => <EndCell apiKey={key} />,
      sortBy: ({ expiresAt }) => expiresAt,
    },
    {
      id: "menu",
      header: "Actions",
      align: "end",
      cell: (key) => <KeyMenu apiKey={key} {...actions} />,
      onPhone: "corner",
    },
  ];
}

function NameCell({ apiKey }: { readonly apiKey: ApiKey }): ReactNode {
  return (
    <span className="grid max-w-56 min-w-0 max-tablet:max-w-none">
      <span className="flex min-w-0 items-center gap-2">
        <span className="truncate font-medium">{apiKey.name}</span>
        {apiKey.platform && <Badge>Platform</Badge>}
      </span>
      {apiKey.prefix !== undefined && (
        <span translate="no" className="truncate font-mono text-small text-muted">
          tsk_{apiKey.prefix}…
        </span>
      )}
    </span>
  );
}

function EndCell({ apiKey }: { readonly apiKey: ApiKey }): ReactNode {
  const now = useNow(60_000);
  const state = stateOf(apiKey, now);
  if (state === "revoked") return <Badge>Revoked</Badge>;
  if (state === "expired") return <Badge tone="warn">Expired</Badge>;
  return <Time at={apiKey.expiresAt} as="until" />;
}

/** A key of the platform enters other companies too: operators manage it. One that has ended needs no action. */
function KeyMenu({ apiKey, onRotate, onRevoke }: Actions & { readonly apiKey: ApiKey }): ReactNode {
  const now = useNow(60_000);
  if (apiKey.platform || stateOf(apiKey, now) !== "active") return null;
  return (
    <Menu trigger={<IconButton label={`Actions for ${apiKey.name}`} icon={Ellipsis} />}>
      <MenuItem icon={RefreshCw} onSelect={() => onRotate(apiKey)}>
        Rotate…
      </MenuItem>
      <MenuItem icon={Ban} onSelect={() => onRevoke(apiKey)}>
        Revoke…
      </MenuItem>
    </Menu>
  );
}

function makerWords(kind: string): string {
  return kind === "operator" ? "An operator" : "A former member";
}
