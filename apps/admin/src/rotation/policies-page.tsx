import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { History, Plus, RefreshCcwDot } from "lucide-react";
import { useMemo, useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { NotYoursPage } from "../frame/not-yours-page.tsx";
import { Page } from "../frame/page.tsx";
import { useRotationFollow } from "../frame/rotation-follow.ts";
import type { RotationPolicy } from "../frame/rotation-words.ts";
import { buttonLook } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Sort } from "../ui/data-table-columns.ts";
import { EmptyState } from "../ui/empty-state.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { policyColumns } from "./policy-columns.tsx";
import { PolicyDialog, type OpenPolicyDialog } from "./policy-dialogs.tsx";
import { PolicyNotices } from "./policy-notices.tsx";

export function PoliciesPage(): ReactNode {
  const { can } = useCompany();
  return can("describe") ? <Policies /> : <NotYoursPage />;
}

/** How the secrets of a company are rotated, and when. */
function Policies(): ReactNode {
  const { subdomain: company, can } = useCompany();
  const trpc = useTRPC();
  const query = useQuery(trpc.rotation.policies.queryOptions({ company }));
  const [opened, setOpened] = useState<OpenPolicyDialog>();
  const canRotate = can("rotate");
  const actions = (
    <>
      <Link to="/c/$company/rotation/runs" params={{ company }} className={buttonLook()}>
        <History size={16} aria-hidden />
        Runs
      </Link>
      {canRotate && (
        <Link
          to="/c/$company/rotation/new"
          params={{ company }}
          aria-keyshortcuts="n"
          className={buttonLook("primary")}
        >
          <Plus size={16} aria-hidden />
          New policy
        </Link>
      )}
    </>
  );
  return (
    <Page title="Rotation" actions={actions}>
      <Loaded query={query}>
        {({ policies }) => (
          <>
            <PolicyNotices policies={policies} />
            <PolicyTable policies={policies} onOpen={canRotate ? setOpened : undefined} />
          </>
        )}
      </Loaded>
      {opened !== undefined && <PolicyDialog {...opened} onClose={() => setOpened(undefined)} />}
    </Page>
  );
}

interface PolicyTableProps {
  readonly policies: readonly RotationPolicy[];
  /** Undefined: the role may change none. */
  readonly onOpen: ((dialog: OpenPolicyDialog) => void) | undefined;
}

function PolicyTable({ policies, onOpen }: PolicyTableProps): ReactNode {
  const { subdomain: company } = useCompany();
  const [sort, setSort] = useState<Sort>();
  const columns = useMemo(() => policyColumns(company, onOpen), [company, onOpen]);
  const runs = useMemo(
    () => policies.flatMap(({ lastRun }) => (lastRun === undefined ? [] : [lastRun])),
    [policies],
  );
  useRotationFollow(company, runs);
  if (policies.length === 0) {
    return (
      <EmptyState icon={RefreshCcwDot} title="No secret is rotated yet">
        A policy says how one secret is renewed with its provider, when, and for how long the value before is
        accepted. Secrets of a company on Infisical have no versions, and are not rotated.
      </EmptyState>
    );
  }
  return (
    <DataTable
      label="Rotation policies"
      rows={policies}
      columns={columns}
      rowKey={({ secretKey }) => secretKey}
      sort={sort}
      onSort={setSort}
    />
  );
}
