import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Download, Lock, RefreshCw } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { Page } from "../frame/page.tsx";
import { Button, IconButton } from "../ui/button.tsx";
import { EmptyState } from "../ui/empty-state.tsx";
import { Chart, useSummary } from "./chart.tsx";
import { Events, useEvents } from "./events.tsx";
import { ExportDialog } from "./export.tsx";
import { Filters, actorsAmong, secretKeysAmong } from "./filters.tsx";
import { ProofLine } from "./proof.tsx";
import type { AuditSearch } from "./search.ts";
import { spanOf } from "./span.ts";

/** Who did what to which secret of a company, when, from where, and how it ended. */
export function CompanyAuditLogPage(): ReactNode {
  const { subdomain, can } = useCompany();
  if (can("audit")) return <CompanyAuditLog key={subdomain} company={subdomain} />;
  return (
    <Page title="Audit log">
      <EmptyState icon={Lock} title="Owners, admins and auditors can read it">
        Your role does not include the audit log. Owners and admins can change roles.
      </EmptyState>
    </Page>
  );
}

function CompanyAuditLog({ company }: { readonly company: string }): ReactNode {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const search = useSearch({ from: "/signed-in/c/$company/audit-log" });
  const navigate = useNavigate({ from: "/c/$company/audit-log" });
  const [now, setNow] = useState(() => Date.now());
  const [isExporting, setExporting] = useState(false);
  const span = spanOf(search, now);
  const summary = useSummary({ company, span, secretKey: search.secret });
  const events = useEvents({ company, span, search });
  const listed = events.data?.pages.flatMap((page) => page.events) ?? [];

  const onSearch = (change: AuditSearch): void => {
    void navigate({ search: { ...search, ...change } });
  };
  const refresh = (): void => {
    setNow(Date.now());
    void queryClient.invalidateQueries(trpc.audit.pathFilter());
  };

  return (
    <Page
      title="Audit log"
      actions={
        <>
          <IconButton label="Look for newer events" icon={RefreshCw} onClick={refresh} />
          <Button icon={Download} onClick={() => setExporting(true)}>
            Export…
          </Button>
        </>
      }
    >
      <ProofLine company={company} />
      <Filters
        search={search}
        span={span}
        actors={actorsAmong(summary.data?.actors ?? [], listed)}
        secretKeys={secretKeysAmong(summary.data?.secrets ?? [], listed)}
        onSearch={onSearch}
      />
      <Chart query={summary} span={span} search={search} onSearch={onSearch} />
      <Events query={events} search={search} onSearch={onSearch} />
      <ExportDialog company={company} span={span} open={isExporting} onClose={() => setExporting(false)} />
    </Page>
  );
}
