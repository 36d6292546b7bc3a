import type { ReactNode } from "react";
import { TextField } from "../ui/field.tsx";
import { hasCanary, type PolicyDraft, type Wrong } from "./policy-draft.ts";

interface CanaryFieldsProps {
  readonly draft: PolicyDraft;
  readonly onChange: (draft: PolicyDraft) => void;
  readonly wrong: Wrong;
}

/** The share of the uses that try the new value before it is current, and for how long. */
export function CanaryFields({ draft, onChange, wrong }: CanaryFieldsProps): ReactNode {
  const { canary } = draft;
  const change = (changed: Partial<PolicyDraft["canary"]>): void =>
    onChange({ ...draft, canary: { ...canary, ...changed } });
  const common = { inputMode: "numeric", maxLength: 6, autoComplete: "off" } as const;
  return (
    <div className="grid grid-cols-[minmax(0,1fr)_minmax(0,1fr)] items-start gap-3">
      <TextField
        {...common}
        label="Percent of the uses that try it first"
        hint="1 to 50. None: it is current once it is accepted."
        error={wrong.percent}
        value={canary.percent}
        onChange={({ target }) => change({ percent: target.value })}
      />
      {hasCanary(draft) && (
        <TextField
          {...common}
          label="For how many seconds"
          hint="One refusal ends it, and the value before stays."
          error={wrong.seconds}
          value={canary.seconds}
          onChange={({ target }) => change({ seconds: target.value })}
        />
      )}
    </div>
  );
}
