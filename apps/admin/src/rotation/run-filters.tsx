import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { Select } from "../ui/field.tsx";
import { runFilters, type RunsSearch } from "./search.ts";

const states = [
  { value: "", label: "All" },
  { value: "unfinished", label: "Under way" },
  { value: "rotated", label: "Rotated" },
  { value: "failed", label: "Failed" },
  { value: "fell-back", label: "Fell back" },
];

interface RunFiltersProps {
  readonly search: RunsSearch;
  readonly onChange: (search: RunsSearch) => void;
}

/** Which runs are listed: of one secret, in one state. */
export function RunFilters({ search, onChange }: RunFiltersProps): ReactNode {
  const { subdomain: company } = useCompany();
  const trpc = useTRPC();
  const { data } = useQuery(trpc.rotation.policies.queryOptions({ company }));
  const known = data?.policies.map(({ secretKey }) => secretKey) ?? [];
  const { secret = "", state = "" } = search;
  const secretKeys = secret === "" || known.includes(secret) ? known : [secret, ...known];
  return (
    <div className="flex flex-wrap items-end gap-3">
      <Select
        label="Secret"
        value={secret}
        onChange={({ target: { value } }) =>
          onChange({ ...without(search, "secret"), ...(value !== "" && { secret: value }) })
        }
        options={[
          { value: "", label: "All" },
          ...secretKeys.map((secretKey) => ({ value: secretKey, label: secretKey })),
        ]}
      />
      <Select
        label="State"
        value={state}
        onChange={({ target: { value } }) => {
          const chosen = runFilters.find((each) => each === value);
          onChange({ ...without(search, "state"), ...(chosen !== undefined && { state: chosen }) });
        }}
        options={states}
      />
    </div>
  );
}

function without(search: RunsSearch, name: keyof RunsSearch): RunsSearch {
  return Object.fromEntries(Object.entries(search).filter(([each]) => each !== name));
}
