import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { buttonLook } from "../ui/button.tsx";
import { useAccount } from "./account.ts";
import { Page } from "./page.tsx";

/** For what does not exist, what was renamed, and what the person may not see. */
export function NotYoursPage(): ReactNode {
  const { companies } = useAccount();
  return (
    <Page title="Not here, or not yours">
      <p className="max-w-[60ch] text-muted">
        There is no such page, or your account may not see it. A company can have been renamed: then its
        people have a new link.
      </p>
      <CompanyList companies={companies.map(({ subdomain }) => subdomain)} />
    </Page>
  );
}

function CompanyList({ companies }: { readonly companies: readonly string[] }): ReactNode {
  if (companies.length === 0) return null;
  return (
    <section className="grid justify-items-start gap-2">
      <h2 className="text-section font-medium">Your companies</h2>
      {companies.map((company) => (
        <Link key={company} to="/c/$company/secrets" params={{ company }} className={buttonLook()}>
          {company}
        </Link>
      ))}
    </section>
  );
}
