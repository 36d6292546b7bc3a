import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Plus, Webhook } from "lucide-react";
import { useMemo, useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { NotYoursPage } from "../frame/not-yours-page.tsx";
import { Page } from "../frame/page.tsx";
import { buttonLook } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Sort } from "../ui/data-table-columns.ts";
import { EmptyState } from "../ui/empty-state.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { columnsFor } from "./columns.tsx";
import { useEndpointOwner } from "./place.ts";
import { Refresh } from "./refresh.tsx";

export function WebhooksPage(): ReactNode {
  const { mayManage } = useEndpointOwner();
  return mayManage ? <Endpoints /> : <NotYoursPage />;
}

/** Where notifications of changes are sent. */
function Endpoints(): ReactNode {
  const { company, newOne } = useEndpointOwner();
  const trpc = useTRPC();
  const query = useQuery(trpc.webhooks.list.queryOptions({ company }));
  const [sort, setSort] = useState<Sort>();
  const columns = useMemo(() => columnsFor(company), [company]);
  const actions = (
    <>
      <Refresh />
      <Link {...newOne} aria-keyshortcuts="n" className={buttonLook("primary")}>
        <Plus size={16} aria-hidden />
        New endpoint
      </Link>
    </>
  );
  return (
    <Page title="Webhooks" actions={actions}>
      <Loaded query={query}>
        {({ endpoints }) =>
          endpoints.length === 0 ? (
            <EmptyState icon={Webhook} title="No endpoint yet">
              A program is notified of changes at an address of its own: of{" "}
              {company === undefined ? "the platform and of all companies" : company}. A notification is
              signed, and holds no value.
            </EmptyState>
          ) : (
            <DataTable
              label="Webhook endpoints"
              rows={endpoints}
              columns={columns}
              rowKey={({ id }) => id}
              sort={sort}
              onSort={setSort}
            />
          )
        }
      </Loaded>
    </Page>
  );
}
