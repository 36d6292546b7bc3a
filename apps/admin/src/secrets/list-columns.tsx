import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Badge } from "../ui/badge.tsx";
import { aboveRowLink, rowLinkLook, type Column } from "../ui/data-table-columns.ts";
import { SecretName } from "../ui/secret-name.tsx";
import { Time } from "../ui/time.tsx";
import { Tooltip } from "../ui/tooltip.tsx";
import { HealthBadge } from "./list-health.tsx";
import type { SecretRow } from "./list-rows.ts";

/** A row of the list as it stands on the page. */
export interface ShownRow extends SecretRow {
  readonly company: string;
  /** Who changed it since the page came up, where that was another. */
  readonly changedBy: string | undefined;
  /** Whether a value was typed for it that is not saved yet. */
  readonly hasDraft: boolean;
  readonly isOpen: boolean;
}

const dash = (
  <span aria-hidden className="text-muted">
    –
  </span>
);

const secret: Column<ShownRow> = {
  id: "secret",
  header: "Secret",
  cell: ({ company, secretKey, label, changedBy, hasDraft, isOpen }) => (
    <span className="flex min-w-0 items-center gap-2">
      <Link
        to="/c/$company/secrets/$secretKey"
        params={{ company, secretKey }}
        search={true}
        data-secret={secretKey}
        aria-current={isOpen ? "true" : undefined}
        className={`${rowLinkLook} grid min-w-0 max-w-[36ch] aria-[current]:after:border-l-2 aria-[current]:after:border-accent`}
      >
        <SecretName secretKey={secretKey} label={label} />
      </Link>
      {hasDraft && <Badge tone="warn">Draft</Badge>}
      {changedBy !== undefined && <Badge tone="accent">Changed by {changedBy}</Badge>}
    </span>
  ),
  sortBy: ({ secretKey }) => secretKey,
  onPhone: "heading",
};

const health: Column<ShownRow> = {
  id: "health",
  header: "Health",
  cell: ({ health: said }) => <HealthBadge health={said} />,
  sortBy: ({ health: said }) => ["rejected", "unknown", "never", "accepted", "none"].indexOf(said),
};

const hint: Column<ShownRow> = {
  id: "hint",
  header: "Ends with",
  cell: ({ lastFour }) =>
    lastFour === undefined ? dash : <span className="font-mono text-code text-muted">…{lastFour}</span>,
  sortBy: ({ lastFour }) => lastFour,
};

const version: Column<ShownRow> = {
  id: "version",
  header: "Version",
  cell: ({ version: current, pendingVersion }) => (
    <span className="inline-flex items-center gap-2">
      {current === 0 ? dash : current}
      {pendingVersion !== undefined && <Badge tone="accent">pending {pendingVersion}</Badge>}
    </span>
  ),
  sortBy: ({ version: current }) => current,
};

const updated: Column<ShownRow> = {
  id: "updated",
  header: "Updated",
  cell: ({ updatedAt, updatedBy }) => (
    <span className="grid">
      <span className={aboveRowLink}>
        <Time at={updatedAt} />
      </span>
      {updatedBy !== undefined && (
        <span className="max-w-[18ch] truncate text-small text-muted">{updatedBy.name ?? updatedBy.id}</span>
      )}
    </span>
  ),
  sortBy: ({ updatedAt }) => updatedAt.getTime(),
  onPhone: "none",
};

const used: Column<ShownRow> = {
  id: "used",
  header: "Last used",
  cell: ({ lastUsedAt }) => (lastUsedAt === undefined ? never : <AboveLink at={lastUsedAt} />),
  sortBy: ({ lastUsedAt }) => lastUsedAt?.getTime(),
  onPhone: "none",
};

const expires: Column<ShownRow> = {
  id: "expires",
  header: "Expires",
  cell: ({ expiresAt, expiresInDays }) =>
    expiresAt === undefined ? (
      dash
    ) : (
      <span className={soon(expiresInDays) ? "text-warn" : ""}>
        <AboveLink at={expiresAt} as="until" />
      </span>
    ),
  sortBy: ({ expiresAt }) => expiresAt?.getTime(),
  onPhone: "none",
};

const place: Column<ShownRow> = {
  id: "place",
  header: "Place",
  cell: ({ location }) => (
    <Tooltip
      text={
        location === "infisical"
          ? "Still in Infisical. The next time that a program reads it, it moves into the database."
          : "In the database of this product, encrypted with the company's own key."
      }
    >
      <span tabIndex={0} className={aboveRowLink}>
        {location === "infisical" ? "Infisical" : "Database"}
      </span>
    </Tooltip>
  ),
  sortBy: ({ location }) => location,
  onPhone: "none",
};

/** Of the list that has the page for itself. */
export const wideColumns: readonly Column<ShownRow>[] = [
  secret,
  health,
  hint,
  version,
  updated,
  used,
  expires,
];
export const hybridColumns: readonly Column<ShownRow>[] = [...wideColumns, place];
/** Of the list beside a panel. */
export const narrowColumns: readonly Column<ShownRow>[] = [secret, health, version];

const never = <span className="text-muted">Never</span>;

function soon(days: number | undefined): boolean {
  return days !== undefined && days <= 30;
}

function AboveLink({ at, as }: { readonly at: Date; readonly as?: "until" }): ReactNode {
  return (
    <span className={aboveRowLink}>
      <Time at={at} {...(as !== undefined && { as })} />
    </span>
  );
}
