import type { ReactNode } from "react";
import { Select, TextField } from "../ui/field.tsx";

/** When a key ends: after so many days, or at the end of a day. */
export interface Expiry {
  readonly kind: "30" | "90" | "365" | "date";
  /** As the field of the browser has it: "2027-02-27". */
  readonly date: string;
}

const kinds = [
  { value: "30", label: "In 30 days" },
  { value: "90", label: "In 90 days" },
  { value: "365", label: "In a year" },
  { value: "date", label: "On a date" },
] as const;

const dayMs = 86_400_000;
const longestDays = 365;
const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "long" });

/** @returns undefined where no day is chosen, or one that no key can have */
export function dateOf({ kind, date }: Expiry, now = Date.now()): Date | undefined {
  if (kind !== "date") return new Date(now + Number(kind) * dayMs);
  const end = new Date(`${date}T23:59:59`);
  const isPossible = end.getTime() > now && end.getTime() <= now + (longestDays + 1) * dayMs;
  return isPossible ? end : undefined;
}

export function ExpiryField({
  expiry,
  onChange,
  error,
}: {
  readonly expiry: Expiry;
  readonly onChange: (expiry: Expiry) => void;
  readonly error: string | undefined;
}): ReactNode {
  const end = dateOf(expiry);
  return (
    <div className="grid gap-3 tablet:grid-cols-2">
      <Select
        label="Ends"
        value={expiry.kind}
        onChange={(event) => {
          const chosen = kinds.find(({ value }) => value === event.target.value);
          if (chosen !== undefined) onChange({ ...expiry, kind: chosen.value });
        }}
        options={kinds}
        hint={end === undefined ? undefined : `The last day is ${day.format(end)}.`}
      />
      {expiry.kind === "date" && (
        <TextField
          label="Last day"
          type="date"
          min={dateText(0)}
          max={dateText(longestDays)}
          value={expiry.date}
          onChange={(event) => onChange({ ...expiry, date: event.target.value })}
          error={error}
        />
      )}
    </div>
  );
}

function dateText(daysAhead: number): string {
  return new Date(Date.now() + daysAhead * dayMs).toISOString().slice(0, 10);
}
