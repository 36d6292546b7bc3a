import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { Page } from "../frame/page.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { ExternalKey } from "../frame/external-key.tsx";
import { CompanyKey } from "./company-key.tsx";
import { Exports } from "./exports.tsx";
import { SecondFactor } from "./second-factor.tsx";
import { Section } from "./section.tsx";
import { StoreAbilities } from "./store-abilities.tsx";
import { storeWords } from "./words.ts";

/** How the secrets of the company are kept, and what it asks of its people. */
export function SettingsPage(): ReactNode {
  const { subdomain: company, role, can } = useCompany();
  const trpc = useTRPC();
  const settings = useQuery(trpc.companies.settings.queryOptions({ company }));
  const capabilities = useQuery(trpc.secrets.capabilities.queryOptions({ company }));
  return (
    <Page title="Settings">
      <Loaded query={settings}>
        {({ secretStore, recoveryDays, key, secondFactorRequired }) => (
          <div className="grid max-w-[720px] gap-4">
            <Section title="Sign-in">
              <SecondFactor required={secondFactorRequired} mayChange={can("members")} />
            </Section>
            <Section title="Where the secrets are" text={storeWords[secretStore].text}>
              <Loaded query={capabilities}>{(abilities) => <StoreAbilities abilities={abilities} />}</Loaded>
            </Section>
            {can("audit") && <Exports />}
            <Section title="Removed secrets">
              <p>
                A removed secret can be restored for {recoveryDays} days. Then its values are destroyed.
                Operators can set 7 to 90 days.
              </p>
            </Section>
            {can("rotate") && (
              <Section
                title="External key"
                text="A key in AWS KMS of the company, without which none of its values in the database opens."
              >
                <ExternalKey company={company} isOwner={role === "owner"} maySet={role === "owner"} />
              </Section>
            )}
            <Section
              title="Company key"
              text="Each value in the database is encrypted under the key of this company. Operators make a new one."
            >
              {key === undefined ? (
                <p className="text-muted">
                  There is none yet: it is made with the first value in the database.
                </p>
              ) : (
                <CompanyKey companyKey={key} />
              )}
            </Section>
          </div>
        )}
      </Loaded>
    </Page>
  );
}
