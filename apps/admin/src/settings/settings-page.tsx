import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { Page } from "../frame/page.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Time } from "../ui/time.tsx";
import { SecondFactor } from "./second-factor.tsx";
import { Section } from "./section.tsx";
import { StoreAbilities } from "./store-abilities.tsx";
import { storeWords } from "./words.ts";

/** How the secrets of the company are kept, and what it asks of its people. */
export function SettingsPage(): ReactNode {
  const { subdomain: company, can } = useCompany();
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
              <Facts
                facts={[
                  ["Store", storeWords[secretStore].label],
                  ["A removed secret can be restored", `for ${recoveryDays} days`],
                ]}
              />
              <Loaded query={capabilities}>{(abilities) => <StoreAbilities abilities={abilities} />}</Loaded>
            </Section>
            <Section
              title="Company key"
              text="Each value in the database is encrypted under the key of this company. Operators make a new one."
            >
              {key === undefined ? (
                <p className="text-muted">
                  There is none yet: it is made with the first value in the database.
                </p>
              ) : (
                <Facts
                  facts={[
                    ["Version", key.version],
                    ["Made", <Time key="made" at={key.createdAt} />],
                  ]}
                />
              )}
            </Section>
          </div>
        )}
      </Loaded>
    </Page>
  );
}

function Facts({
  facts,
}: {
  readonly facts: readonly (readonly [name: string, value: ReactNode])[];
}): ReactNode {
  return (
    <dl className="grid gap-1">
      {facts.map(([name, value]) => (
        <div key={name} className="flex flex-wrap justify-between gap-x-4">
          <dt className="text-muted">{name}</dt>
          <dd className="tabular-nums">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
