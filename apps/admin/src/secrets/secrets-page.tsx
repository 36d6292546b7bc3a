import { useQuery } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import type { ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { Page } from "../frame/page.tsx";
import { SecretsActions } from "./form-actions.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Column } from "../ui/data-table-columns.ts";
import { EmptyState } from "../ui/empty-state.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { HiddenValue, SecretName } from "../ui/secret-name.tsx";
import { Time } from "../ui/time.tsx";

type Secret = ApiAnswers["secrets"]["list"]["secrets"][number];

const columns: readonly Column<Secret>[] = [
  {
    id: "secret",
    header: "Secret",
    cell: ({ secretKey, label }) => <SecretName secretKey={secretKey} label={label} />,
    text: ({ secretKey, label }) => `${secretKey} ${label ?? ""}`,
    onPhone: "heading",
  },
  {
    id: "hint",
    header: "Value",
    cell: ({ lastFour }) => (
      <span className="whitespace-nowrap">
        <HiddenValue />
        {lastFour !== undefined && <span className="font-mono text-code text-muted"> {lastFour}</span>}
      </span>
    ),
  },
  { id: "version", header: "Version", align: "end", cell: ({ version }) => version },
  { id: "updated", header: "Updated", align: "end", cell: ({ updatedAt }) => <Time at={updatedAt} /> },
];

/** The secrets of a company, without a value. */
export function SecretsPage(): ReactNode {
  const { subdomain: company } = useCompany();
  const trpc = useTRPC();
  const query = useQuery(trpc.secrets.list.queryOptions({ company }));
  return (
    <Page title="Secrets" actions={<SecretsActions />}>
      <Loaded query={query}>
        {({ secrets }) =>
          secrets.length === 0 ? (
            <EmptyState icon={KeyRound} title="No secret yet">
              The credentials that {company} entrusts to this product will be here.
            </EmptyState>
          ) : (
            <DataTable
              label="Secrets"
              rows={secrets}
              columns={columns}
              rowKey={({ secretKey }) => secretKey}
            />
          )
        }
      </Loaded>
    </Page>
  );
}
