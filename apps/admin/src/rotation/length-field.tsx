import type { ReactNode } from "react";
import { Select, TextField } from "../ui/field.tsx";
import type { Length } from "./policy-draft.ts";

const units = [
  { value: "minute", label: "minutes" },
  { value: "hour", label: "hours" },
  { value: "day", label: "days" },
] as const;

interface LengthFieldProps {
  readonly label: string;
  readonly hint?: ReactNode;
  readonly error: string | undefined;
  readonly length: Length;
  readonly onChange: (length: Length) => void;
}

/** How long: a number, and its unit. */
export function LengthField({ label, hint, error, length, onChange }: LengthFieldProps): ReactNode {
  return (
    <div className="grid grid-cols-[minmax(0,1fr)_minmax(0,1fr)] items-start gap-3">
      <TextField
        label={label}
        hint={hint}
        error={error}
        inputMode="numeric"
        value={length.count}
        onChange={(event) => onChange({ ...length, count: event.target.value })}
        maxLength={6}
        autoComplete="off"
      />
      <Select
        label="Unit"
        aria-label={`${label}, unit`}
        value={length.unit}
        onChange={(event) => {
          const chosen = units.find(({ value }) => value === event.target.value);
          if (chosen !== undefined) onChange({ ...length, unit: chosen.value });
        }}
        options={units}
      />
    </div>
  );
}
