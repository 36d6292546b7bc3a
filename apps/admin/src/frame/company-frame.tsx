import { Outlet, useMatchRoute, useParams } from "@tanstack/react-router";
import { lazy, Suspense, type ReactNode } from "react";
import { useAccount } from "./account.ts";
import { useCompanyChanges } from "./company-changes.ts";
import { NotYoursPage } from "./not-yours-page.tsx";

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
