import type { ReactNode } from "react";
import { Button } from "../../ui/button.tsx";
import { Section } from "../section.tsx";
import { Chips } from "./chips.tsx";
import { CompanyItem } from "./company-item.tsx";
import { companiesOnPage } from "./run.ts";
import { companyStates, type CompanyMigration, type MigrationAnswer } from "./words.ts";

interface CompaniesProps {
  readonly page: MigrationAnswer;
  readonly state: CompanyMigration["state"] | undefined;
  readonly onState: (state: CompanyMigration["state"] | undefined) => void;
  readonly after: string | undefined;
  readonly onAfter: (after: string | undefined) => void;
}

const states: readonly CompanyMigration["state"][] = ["waiting", "done", "blocked", "failed"];

/** What became of each company of a migration. */
export function Companies({ page, state, onState, after, onAfter }: CompaniesProps): ReactNode {
  const { verb, companies, counts } = page;
  const all = states.reduce((sum, each) => sum + counts[each], 0);
  const last = companies.at(-1)?.company.id;
  const hasMore = companies.length === companiesOnPage && last !== undefined;
  return (
    <Section title="Companies">
      <Chips
        label="State"
        value={state}
        onChange={onState}
        options={[
          { value: undefined, label: `${all.toLocaleString("en-GB")} in all` },
          ...states
            .filter((each) => counts[each] > 0 || each === state)
            .map((each) => ({
              value: each,
              label: `${counts[each].toLocaleString("en-GB")} ${companyStates[each][0]}`,
            })),
        ]}
      />
      {companies.length === 0 ? (
        <p className="text-muted">{state === undefined ? "No further company." : "None is in this state."}</p>
      ) : (
        <ul
          aria-label="Companies"
          className="divide-y divide-line rounded-panel border border-line bg-surface"
        >
          {companies.map((each) => (
            <CompanyItem key={each.company.id} verb={verb} migration={each} />
          ))}
        </ul>
      )}
      {(after !== undefined || hasMore) && (
        <div className="flex gap-2">
          {after !== undefined && <Button onClick={() => onAfter(undefined)}>From the first one</Button>}
          {hasMore && <Button onClick={() => onAfter(last)}>Next {companiesOnPage}</Button>}
        </div>
      )}
    </Section>
  );
}
