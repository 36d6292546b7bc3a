import { Link } from "@tanstack/react-router";
import { Building2, ChevronRight } from "lucide-react";
import type { ReactNode } from "react";
import { useAccount } from "../frame/account.ts";
import { Page } from "../frame/page.tsx";
import { Badge } from "../ui/badge.tsx";
import { EmptyState } from "../ui/empty-state.tsx";

/** The companies that the person belongs to. */
export function CompaniesPage(): ReactNode {
  const { companies, email } = useAccount();
  return (
    <Page title="Companies">
      {companies.length === 0 ? (
        <EmptyState icon={Building2} title="No company yet">
          An owner or admin of a company can invite you, at {email}.
        </EmptyState>
      ) : (
        <ul className="divide-y divide-line rounded-panel border border-line bg-surface">
          {companies.map(({ subdomain, role, suspended }) => (
            <li key={subdomain}>
              <Link
                to="/c/$company/secrets"
                params={{ company: subdomain }}
                className="flex min-h-(--row) items-center gap-3 px-3 transition-colors hover:bg-sunken"
              >
                <span className="min-w-0 flex-1 truncate font-medium">{subdomain}</span>
                {suspended && <Badge tone="warn">suspended</Badge>}
                <span className="text-muted">{role}</span>
                <ChevronRight size={16} aria-hidden className="text-muted" />
              </Link>
            </li>
          ))}
        </ul>
      )}
    </Page>
  );
}
