import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { Checkbox, RadioGroup } from "../ui/choices.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { useEndpointOwner } from "./place.ts";
import { inGroups, wordsOfType, type NotificationType } from "./type-words.ts";

/** What an endpoint is notified of, as far as a person has chosen. */
export interface ChosenTypes {
  readonly kind: "all" | "picked";
  readonly picked: readonly NotificationType[];
}

/** @returns what is wrong; undefined: nothing */
export function typesError({ kind, picked }: ChosenTypes): string | undefined {
  return kind === "picked" && picked.length === 0 ? "Pick at least one." : undefined;
}

interface TypesFieldProps {
  readonly chosen: ChosenTypes;
  readonly onChange: (chosen: ChosenTypes) => void;
  readonly error: string | undefined;
}

/** All notifications, or those that are picked. */
export function TypesField({ chosen, onChange, error }: TypesFieldProps): ReactNode {
  return (
    <div className="grid gap-3">
      <RadioGroup
        label="Notifications"
        value={chosen.kind}
        onChange={(kind) => onChange({ ...chosen, kind })}
        options={[
          { value: "all", label: "All, also of types that are added later" },
          { value: "picked", label: "Those that I pick" },
        ]}
      />
      {chosen.kind === "picked" && <Picker chosen={chosen} onChange={onChange} />}
      {error !== undefined && (
        <p role="alert" className="text-small text-danger">
          {error}
        </p>
      )}
    </div>
  );
}

function Picker({ chosen, onChange }: Omit<TypesFieldProps, "error">): ReactNode {
  const { company } = useEndpointOwner();
  const trpc = useTRPC();
  const query = useQuery(trpc.webhooks.eventTypes.queryOptions({ company }));
  return (
    <Loaded query={query}>
      {({ types }) => (
        <div className="grid gap-4 rounded-panel border border-line bg-surface p-3">
          {inGroups(types).map((group) => (
            <fieldset key={group.label} className="grid gap-2">
              <legend className="mb-2 font-medium">{group.label}</legend>
              {group.types.map((type) => (
                <Checkbox
                  key={type}
                  label={wordsOfType(type)}
                  hint={
                    <span translate="no" className="font-mono">
                      {type}
                    </span>
                  }
                  checked={chosen.picked.includes(type)}
                  onChange={(isPicked) =>
                    onChange({
                      ...chosen,
                      picked: types.filter((each) =>
                        each === type ? isPicked : chosen.picked.includes(each),
                      ),
                    })
                  }
                />
              ))}
            </fieldset>
          ))}
        </div>
      )}
    </Loaded>
  );
}
