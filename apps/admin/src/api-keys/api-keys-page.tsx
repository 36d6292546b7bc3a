import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Bot, Plus } from "lucide-react";
import { useMemo, useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { NotYoursPage } from "../frame/not-yours-page.tsx";
import { Page } from "../frame/page.tsx";
import { buttonLook } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Sort } from "../ui/data-table-columns.ts";
import { EmptyState } from "../ui/empty-state.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { columnsWith } from "./columns.tsx";
import { RevokeDialog } from "./revoke-dialog.tsx";
import { stateOf, type ApiKey } from "./words.ts";

export function ApiKeysPage(): ReactNode {
  const { can } = useCompany();
  return can("members") ? <ApiKeys /> : <NotYoursPage />;
}

/** The keys of programs. */
function ApiKeys(): ReactNode {
  const { subdomain: company } = useCompany();
  const trpc = useTRPC();
  const query = useQuery(trpc.companies.apiKeys.list.queryOptions({ company }));
  const navigate = useNavigate();
  const [revoking, setRevoking] = useState<ApiKey>();
  const [sort, setSort] = useState<Sort>();
  const columns = useMemo(
    () =>
      columnsWith({
        onRotate: ({ id: rotate }) =>
          void navigate({ to: "/c/$company/api-keys/new", params: { company }, search: { rotate } }),
        onRevoke: setRevoking,
      }),
    [company, navigate],
  );
  const newKey = (
    <Link
      to="/c/$company/api-keys/new"
      params={{ company }}
      aria-keyshortcuts="n"
      className={buttonLook("primary")}
    >
      <Plus size={16} aria-hidden />
      New API key
    </Link>
  );
  return (
    <Page title="API keys" actions={newKey}>
      <Loaded query={query}>
        {(keys) =>
          keys.length === 0 ? (
            <EmptyState icon={Bot} title="No API key yet">
              A program reads the secrets of {company} with an API key of its own, which may do what you say
              and no more.
            </EmptyState>
          ) : (
            <DataTable
              label="API keys"
              rows={activeFirst(keys)}
              columns={columns}
              rowKey={({ id }) => id}
              sort={sort}
              onSort={setSort}
            />
          )
        }
      </Loaded>
      {revoking !== undefined && <RevokeDialog apiKey={revoking} onClose={() => setRevoking(undefined)} />}
    </Page>
  );
}

function activeFirst(keys: readonly ApiKey[]): readonly ApiKey[] {
  const now = Date.now();
  const isActive = (key: ApiKey) => stateOf(key, now) === "active";
  return [...keys.filter(isActive), ...keys.filter((key) => !isActive(key))];
}
