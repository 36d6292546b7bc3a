import type { ReactNode, Ref } from "react";
import type { ApiInputs } from "@repo/tenant-secrets/client";
import { controlLook, Field } from "../ui/field.tsx";

/** Why one does what takes a purpose. */
export type Purpose = ApiInputs["secrets"]["reveal"]["purpose"];

const purposes = ["set-up", "debugging", "incident", "hand-over"] as const satisfies readonly Purpose[];

const words: Readonly<Record<Purpose, string>> = {
  "set-up": "Set-up",
  debugging: "Debugging",
  incident: "Incident",
  "hand-over": "Hand-over",
};

interface PurposeFieldProps {
  readonly purpose: Purpose | undefined;
  readonly onChoose: (purpose: Purpose | undefined) => void;
  readonly error?: string | undefined;
  readonly ref?: Ref<HTMLSelectElement>;
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
