import { Link, Outlet, useMatchRoute, useParams } from "@tanstack/react-router";
import { lazy, Suspense, type ReactNode } from "react";
import { buttonLook } from "../ui/button.tsx";
import { useAccount } from "./account.ts";
import { useCompanyChanges } from "./company-changes.ts";
import { Page } from "./page.tsx";

const ShreddedPage = lazy(async () => ({ default: (await import("./shredded-page.tsx")).ShreddedPage }));
const SuspendedPage = lazy(async () => ({ default: (await import("./suspended-page.tsx")).SuspendedPage }));

/**
 * Around each page of a company. A company of others and one that does not exist look the same. Of one whose keys were destroyed
 * the pages of secrets are gone.
 */
export function CompanyFrame(): ReactNode {
  const { company } = useParams({ from: "/signed-in/c/$company" });
  const { companies } = useAccount();
  const found = companies.find(({ subdomain }) => subdomain === company);
  const isOfSecrets = useMatchRoute()({ to: "/c/$company/secrets", fuzzy: true }) !== false;
  if (found === undefined) return <NotYoursPage />;
  const { shreddedAt, suspended } = found;
  if (shreddedAt !== undefined && (isOfSecrets || suspended)) {
    return (
      <Suspense>
        <ShreddedPage
          company={company}
          at={shreddedAt}
          canReadLog={!suspended && found.verbs.includes("audit")}
        />
      </Suspense>
    );
  }
  if (suspended) {
    return (
      <Suspense>
        <SuspendedPage company={company} />
      </Suspense>
    );
  }
  return (
    <>
      <CompanyChanges key={company} company={company} />
      <Outlet />
    </>
  );
}

function CompanyChanges({ company }: { readonly company: string }): ReactNode {
  useCompanyChanges(company);
  return null;
}

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
