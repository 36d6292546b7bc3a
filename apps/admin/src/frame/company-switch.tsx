import { Link, useParams } from "@tanstack/react-router";
import { Building2, ChevronsUpDown } from "lucide-react";
import type { ReactNode } from "react";
import { Menu, MenuLink, MenuSeparator } from "../ui/menu.tsx";
import { useAccount } from "./account.ts";

/** Which company the page is about, and the way to the others. The choice is in the URL and nowhere else. */
export function CompanySwitch(): ReactNode {
  const { companies, operator } = useAccount();
  const { company } = useParams({ strict: false });
  const name = companies.some(({ subdomain }) => subdomain === company) ? company : undefined;
  return (
    <Menu
      align="start"
      trigger={
        <button
          type="button"
          className="flex h-10 w-full min-w-0 items-center gap-2 rounded-control border border-line bg-surface px-2 text-left transition-colors hover:border-control max-desktop:justify-center max-tablet:w-auto"
        >
          <CompanyMark name={name} />
          <span className="min-w-0 flex-1 truncate font-medium max-desktop:sr-only max-tablet:not-sr-only">
            {name ?? "Choose a company"}
          </span>
          <ChevronsUpDown
            size={14}
            aria-hidden
            className="shrink-0 text-muted max-desktop:hidden max-tablet:block"
          />
        </button>
      }
    >
      {companies.map(({ subdomain, role }) => (
        <MenuLink key={subdomain}>
          <Link to="/c/$company/secrets" params={{ company: subdomain }}>
            <CompanyMark name={subdomain} />
            <span className="flex-1">{subdomain}</span>
            <span className="text-small text-muted">{role}</span>
          </Link>
        </MenuLink>
      ))}
      {companies.length > 0 && <MenuSeparator />}
      <MenuLink>
        <Link to="/companies">All companies</Link>
      </MenuLink>
      {operator !== undefined && (
        <MenuLink>
          <Link to="/platform">Platform, as operator</Link>
        </MenuLink>
      )}
    </Menu>
  );
}

function CompanyMark({ name }: { readonly name: string | undefined }): ReactNode {
  return (
    <span
      aria-hidden
      className="grid size-6 shrink-0 place-items-center rounded-[5px] bg-accent-bg text-small font-medium text-accent uppercase"
    >
      {name?.slice(0, 1) ?? <Building2 size={14} />}
    </span>
  );
}
