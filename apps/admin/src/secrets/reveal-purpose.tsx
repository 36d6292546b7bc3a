import { useState, type ReactNode, type Ref } from "react";
import { controlLook, Field } from "../ui/field.tsx";
import type { Purpose } from "./reveal-state.ts";

const words: Readonly<Record<Purpose, string>> = {
  "set-up": "Set-up",
  debugging: "Debugging",
  incident: "Incident",
  "hand-over": "Hand-over",
};

/** The last purpose is offered again for so long, in milliseconds. */
const rememberedMs = 10 * 60_000;
let last: { readonly purpose: Purpose; readonly at: number } | undefined;

/** Why one looks; with what was chosen last, for ten minutes. */
export function usePurpose() {
  const [purpose, setPurpose] = useState(() =>
    last !== undefined && Date.now() - last.at < rememberedMs ? last.purpose : undefined,
  );
  return {
    purpose,
    choose: (chosen: Purpose | undefined): void => {
      if (chosen !== undefined) last = { purpose: chosen, at: Date.now() };
      setPurpose(chosen);
    },
  };
}

interface PurposeFieldProps {
  readonly purpose: Purpose | undefined;
  readonly onChoose: (purpose: Purpose | undefined) => void;
  readonly error: string | undefined;
  readonly ref: Ref<HTMLSelectElement>;
}

export function PurposeField({ purpose, onChoose, error, ref }: PurposeFieldProps): ReactNode {
  return (
    <Field label="Purpose" error={error} hint={error === undefined ? "It is in the audit log." : undefined}>
      {(control) => (
        <select
          {...control}
          ref={ref}
          value={purpose ?? ""}
          onChange={({ target }) => onChoose(purposes.find((each) => each === target.value))}
          className={`${controlLook} h-(--control-height)`}
        >
          <option value="">Choose one</option>
          {purposes.map((each) => (
            <option key={each} value={each}>
              {words[each]}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

const purposes = ["set-up", "debugging", "incident", "hand-over"] as const;
