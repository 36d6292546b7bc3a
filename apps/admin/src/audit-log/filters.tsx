import type { ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { actions, groupWords, wordsOfAction, type Group } from "./action-words.ts";
import { kindOf, nameOf, type Actor } from "./actor.tsx";
import { FilterChip, type Option } from "./filter-chip.tsx";
import { countOfFilters, isOutcome, noFilters, type AuditSearch } from "./search.ts";
import type { Span } from "./span.ts";
import { TimeFilter } from "./time-filter.tsx";
import { outcomeWords, type AuditEvent } from "./words.ts";

interface FiltersProps {
  readonly search: AuditSearch;
  readonly span: Span;
  /** Who is known of, from the counts and the list. */
  readonly actors: readonly Actor[];
  readonly secretKeys: readonly string[];
  /** Where the events are of several. */
  readonly companies?: readonly string[] | undefined;
  readonly onSearch: (change: AuditSearch) => void;
}

const rooms: Readonly<Record<string, string>> = {
  secret: "Secrets",
  company: "Company",
  system: "System",
  "api-key": "API keys",
  member: "People",
  invitation: "People",
  user: "People",
  account: "Account",
  "sign-in": "Account",
  session: "Account",
  password: "Account",
  factor: "Account",
  audit: "Audit log",
  operator: "Operators",
  approval: "Operators",
  credential: "Refusals",
  row: "Refusals",
  call: "Refusals",
  key: "Keys",
  run: "Runs",
};

const groups: readonly Group[] = ["reveals", "reads", "changes"];

const actionOptions: readonly Option[] = [
  ...groups.map((group) => ({ value: group, label: groupWords[group], group: "All of a kind" })),
  ...actions.map((action) => ({
    value: action,
    label: wordsOfAction(action),
    group: rooms[action.replace(/\..*/, "")] ?? "Others",
  })),
];

const outcomeOptions: readonly Option[] = Object.entries(outcomeWords).map(([value, label]) => ({
  value,
  label,
}));

/** The filters as chips, each of which says what it is. They are in the URL. */
export function Filters({ search, span, actors, secretKeys, companies, onSearch }: FiltersProps): ReactNode {
  return (
    <div role="group" aria-label="Filters" className="flex flex-wrap items-center gap-2">
      <TimeFilter search={search} span={span} onSearch={onSearch} />
      {companies !== undefined && (
        <FilterChip
          label="Company"
          value={search.company}
          options={companies.map((company) => ({ value: company, label: company }))}
          onChange={(company) => onSearch({ company })}
        />
      )}
      <FilterChip
        label="Who"
        value={search.actor}
        options={actors.map((actor) => ({
          value: actor.id,
          label: nameOf(actor),
          group: kindOf(actor.kind),
        }))}
        other="Name, or another id"
        onChange={(actor) => onSearch({ actor })}
      />
      <FilterChip
        label="What"
        value={search.action}
        options={actionOptions}
        onChange={(action) => onSearch({ action })}
      />
      <FilterChip
        label="Secret"
        value={search.secret}
        options={secretKeys.map((secretKey) => ({ value: secretKey, label: secretKey }))}
        other="Secret key"
        onChange={(secret) => onSearch({ secret })}
      />
      <FilterChip
        label="Outcome"
        value={search.outcome}
        options={outcomeOptions}
        onChange={(outcome) => onSearch({ outcome: isOutcome(outcome) ? outcome : undefined })}
      />
      {search.request !== undefined && (
        <FilterChip
          label="Request"
          value={search.request}
          options={[]}
          other="Request id"
          onChange={(request) => onSearch({ request })}
        />
      )}
      {countOfFilters(search) > 0 && (
        <Button kind="quiet" onClick={() => onSearch(noFilters)}>
          Clear filters
        </Button>
      )}
    </div>
  );
}

/** Who can be chosen: those with the most in the time, and those of the listed events. */
export function actorsAmong(most: readonly Actor[], listed: readonly AuditEvent[]): readonly Actor[] {
  const all = [
    ...most,
    ...listed.map(({ actorKind: kind, actorId: id, actorName: name }) => ({ kind, id, name })),
  ];
  const byId = new Map(all.map((actor) => [actor.id, actor]));
  return [...byId.values()].toSorted(
    (a, b) => kindOf(a.kind).localeCompare(kindOf(b.kind)) || nameOf(a).localeCompare(nameOf(b)),
  );
}

export function secretKeysAmong(
  most: readonly { readonly secretKey: string }[],
  listed: readonly AuditEvent[],
): readonly string[] {
  const all = [...most, ...listed].flatMap(({ secretKey }) => secretKey ?? []);
  return [...new Set(all)].toSorted();
}
