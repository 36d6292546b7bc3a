import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { Checkbox, RadioGroup } from "../ui/choices.tsx";
import { TextField } from "../ui/field.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { coveredBy, patternsOf, scopeError, type Scope } from "./scope.ts";

interface ScopeFieldProps {
  readonly scope: Scope;
  readonly onChange: (scope: Scope) => void;
  readonly error: string | undefined;
}

/** Which secrets a key covers: picked from the list, by the beginning of their names, or all. */
export function ScopeField({ scope, onChange, error }: ScopeFieldProps): ReactNode {
  const { subdomain: company } = useCompany();
  const trpc = useTRPC();
  const query = useQuery(trpc.secrets.list.queryOptions({ company }));
  return (
    <div className="grid gap-3">
      <RadioGroup
        label="Which secrets"
        value={scope.kind}
        onChange={(kind) => onChange({ ...scope, kind })}
        options={[
          { value: "picked", label: "Those that I pick" },
          {
            value: "patterns",
            label: "By name or beginning",
            hint: "Later secrets whose names begin so are covered, too.",
          },
          { value: "all", label: "All, also later ones" },
        ]}
      />
      <Loaded query={query}>
        {({ secrets }) => {
          const names = secrets.filter(({ usable }) => usable !== false).map(({ secretKey }) => secretKey);
          return (
            <>
              {scope.kind === "picked" && (
                <Picker
                  names={names}
                  picked={scope.picked}
                  onChange={(picked) => onChange({ ...scope, picked })}
                />
              )}
              {scope.kind === "patterns" && (
                <TextField
                  label="Names or beginnings"
                  hint="Such as STRIPE_*, with commas between them."
                  value={scope.patterns}
                  onChange={(event) => onChange({ ...scope, patterns: event.target.value })}
                  autoComplete="off"
                  autoCapitalize="none"
                  spellCheck={false}
                />
              )}
              {error !== undefined && (
                <p role="alert" className="text-small text-danger">
                  {error}
                </p>
              )}
              {scopeError(scope) === undefined && (
                <Covered names={coveredBy(patternsOf(scope), names)} of={names.length} />
              )}
            </>
          );
        }}
      </Loaded>
    </div>
  );
}

function Picker({
  names,
  picked,
  onChange,
}: {
  readonly names: readonly string[];
  readonly picked: readonly string[];
  readonly onChange: (picked: readonly string[]) => void;
}): ReactNode {
  if (names.length === 0) {
    return <p className="text-muted">There is no secret yet. Choose by name, and it covers those to come.</p>;
  }
  return (
    <fieldset className="grid max-h-72 gap-2 overflow-auto rounded-panel border border-line bg-surface p-3">
      <legend className="sr-only">Secrets</legend>
      {names.map((name) => (
        <Checkbox
          key={name}
          label={
            <span translate="no" className="font-mono text-code break-all">
              {name}
            </span>
          }
          checked={picked.includes(name)}
          onChange={(isPicked) =>
            onChange(names.filter((each) => (each === name ? isPicked : picked.includes(each))))
          }
        />
      ))}
    </fieldset>
  );
}

/** As many names as are told; the others as a number. */
const toldNames = 8;

function Covered({ names, of }: { readonly names: readonly string[]; readonly of: number }): ReactNode {
  if (names.length === 0)
    return <p className="text-small text-muted">Covers none of today’s {of} secrets.</p>;
  const told = names.slice(0, toldNames);
  const more = names.length - told.length;
  return (
    <p className="text-small text-muted">
      {names.length === 1 ? "Covers this one: " : `Covers these ${names.length}: `}
      <span translate="no" className="font-mono break-all">
        {told.join(", ")}
      </span>
      {more > 0 && ` and ${more} more`}
    </p>
  );
}
