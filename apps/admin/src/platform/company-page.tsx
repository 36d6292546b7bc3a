import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { ChevronLeft } from "lucide-react";
import type { ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { Page } from "../frame/page.tsx";
import { Badge } from "../ui/badge.tsx";
import { Copy } from "../ui/copy.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Notice } from "../ui/notice.tsx";
import { ExternalKey } from "../frame/external-key.tsx";
import { Time } from "../ui/time.tsx";
import { CompanyLeaving } from "./company-leaving.tsx";
import { CompanyPeople } from "./company-people.tsx";
import { CompanySettings } from "./company-settings.tsx";
import { CompanyShutdown } from "./company-shutdown.tsx";
import { CompanyStoreSection } from "./migration/company-store.tsx";
import { CompanyRegions } from "./regions/company-regions.tsx";
import { Facts, Section } from "./section.tsx";
import { stateOf, storeWords, type Company } from "./words.ts";

/** One company, as operators see it: without its secrets. */
export function CompanyPage(): ReactNode {
  const { subdomain } = useParams({ from: "/signed-in/platform/companies/$subdomain" });
  const trpc = useTRPC();
  const query = useQuery(trpc.companies.get.queryOptions({ company: subdomain }));
  return (
    <Page
      key={subdomain}
      title={subdomain}
      beside={query.data !== undefined && <State company={query.data} />}
      actions={
        <Link to="/platform/companies" className="inline-flex items-center gap-1 text-muted hover:text-ink">
          <ChevronLeft size={16} aria-hidden />
          All companies
        </Link>
      }
    >
      <Loaded query={query}>
        {(company) => (
          <>
            {company.shreddedAt === undefined && company.status === "suspended" && (
              <Notice kind="warn" title="This company is suspended">
                Its secrets are neither read nor written, and its API keys open nothing. Nothing was deleted.
              </Notice>
            )}
            <Facts facts={factsOf(company)} />
            {company.shreddedAt === undefined && <CompanyStoreSection company={subdomain} />}
            {company.shreddedAt === undefined && <CompanyRegions company={subdomain} />}
            <CompanyPeople company={subdomain} />
            {company.shreddedAt === undefined && <CompanySettings company={company} />}
            {company.shreddedAt === undefined && (
              <Section title="External key">
                <ExternalKey company={subdomain} isOwner={false} maySet />
              </Section>
            )}
            {company.shreddedAt === undefined && <CompanyLeaving company={company} />}
            <CompanyShutdown company={company} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function State({ company }: { readonly company: Company }): ReactNode {
  const [word, tone] = stateOf(company);
  return <Badge tone={tone}>{word}</Badge>;
}

function factsOf(company: Company) {
  const { secretStore, secrets, apiKeys, key, createdAt, id } = company;
  return [
    { label: "Secrets live in", value: storeWords[secretStore] },
    {
      label: "Secrets",
      value: secretStore === "infisical" ? "Not counted" : secrets.toLocaleString("en-GB"),
    },
    { label: "API keys", value: apiKeys.toLocaleString("en-GB") },
    {
      label: "Company key",
      value:
        key === undefined ? (
          "None"
        ) : (
          <>
            Version {key.version}, <Time at={key.createdAt} />
          </>
        ),
    },
    { label: "Created", value: <Time at={createdAt} /> },
    {
      label: "Id",
      value: (
        <span className="-my-1.5 flex items-center">
          <code className="font-mono text-code">{id.slice(0, 8)}…</code>
          <Copy text={id} label="Copy the company's id" />
        </span>
      ),
    },
  ];
}
