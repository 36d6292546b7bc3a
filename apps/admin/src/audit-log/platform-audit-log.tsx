import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Download, RefreshCw } from "lucide-react";
import { useCallback, useMemo, useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { Page } from "../frame/page.tsx";
import { Button, IconButton } from "../ui/button.tsx";
import { Chart, useSummary } from "./chart.tsx";
import type { CompanyOf } from "./event-columns.tsx";
import { Events, useEvents } from "./events.tsx";
import { ExportDialog } from "./export.tsx";
import { Filters, actorsAmong, secretKeysAmong } from "./filters.tsx";
import { ProofLine } from "./proof.tsx";
import type { AuditSearch } from "./search.ts";
import { spanOf } from "./span.ts";
import { VerifyButton } from "./verify-button.tsx";

/** Who did what, in every company and on the platform itself. For operators. */
export function PlatformAuditLogPage(): ReactNode {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const search = useSearch({ from: "/signed-in/platform/audit-log" });
  const navigate = useNavigate({ from: "/platform/audit-log" });
  const [now, setNow] = useState(() => Date.now());
  const [isExporting, setExporting] = useState(false);
  const { subdomains, companyOf } = useCompanies();
  const { company } = search;
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
          <VerifyButton />
          <Button icon={Download} disabled={subdomains.length === 0} onClick={() => setExporting(true)}>
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
        companies={subdomains}
        onSearch={onSearch}
      />
      <Chart
        query={summary}
        span={span}
        search={search}
        onSearch={onSearch}
        note={
          company === undefined
            ? "Of all companies together. What concerns no company, such as a sign-in, is in the list alone."
            : undefined
        }
      />
      <Events query={events} companyOf={companyOf} search={search} onSearch={onSearch} />
      <ExportDialog
        key={company}
        company={company}
        companies={subdomains}
        span={span}
        open={isExporting}
        onClose={() => setExporting(false)}
      />
    </Page>
  );
}

/** Events have the ids of companies, and people know their names. */
function useCompanies(): { readonly subdomains: readonly string[]; readonly companyOf: CompanyOf } {
  const trpc = useTRPC();
  const { data } = useQuery(trpc.companies.list.queryOptions());
  const subdomains = useMemo(() => (data ?? []).map(({ subdomain }) => subdomain).toSorted(), [data]);
  const companyOf = useCallback<CompanyOf>(
    ({ companyId }) => (companyId === null ? undefined : data?.find(({ id }) => id === companyId)?.subdomain),
    [data],
  );
  return { subdomains, companyOf };
}
