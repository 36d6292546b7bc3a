import { useState, type ReactNode } from "react";
import { Checkbox } from "../ui/choices.tsx";
import { Select, TextField } from "../ui/field.tsx";
import type { Draft, DraftContent } from "./drafts.ts";
import type { EntryDescription } from "../frame/catalog.ts";
import { providerOf, type Capabilities, type SecretDescription } from "./form-catalog.ts";

const overlaps = [
  { value: "0", label: "No, it ends at once" },
  { value: "3600", label: "For 1 hour" },
  { value: "86400", label: "For 24 hours" },
  { value: "604800", label: "For 7 days" },
];
const untilDate = { value: "until", label: "Until a date…" };
const maxGraceSeconds = 2_592_000;

interface OverlapProps {
  readonly label: string;
  readonly seconds: number;
  readonly onChange: (seconds: number) => void;
}

/** For how long the value that is replaced stays valid beside the new one. */
export function Overlap({ label, seconds, onChange }: OverlapProps): ReactNode {
  const isListed = overlaps.some(({ value }) => value === String(seconds));
  const [until, setUntil] = useState<string>();
  const isUntil = until !== undefined || !isListed;
  const choose = (chosen: string): void => {
    if (chosen === untilDate.value) setUntil("");
    else {
      setUntil(undefined);
      onChange(Number(chosen));
    }
  };
  const chooseEnd = (text: string): void => {
    setUntil(text);
    const inSeconds = Math.round((new Date(text).getTime() - Date.now()) / 1000);
    if (Number.isFinite(inSeconds)) onChange(Math.min(Math.max(inSeconds, 0), maxGraceSeconds));
  };
  return (
    <div className="grid gap-2">
      <Select
        label={label}
        value={isUntil ? untilDate.value : String(seconds)}
        onChange={(event) => choose(event.target.value)}
        options={[...overlaps, untilDate]}
      />
      {isUntil && (
        <TextField
          label="Valid until"
          type="datetime-local"
          value={until ?? ""}
          onChange={(event) => chooseEnd(event.target.value)}
          hint="At most 30 days from now."
        />
      )}
    </div>
  );
}

interface OptionsProps {
  readonly entry: EntryDescription;
  readonly current: SecretDescription | undefined;
  readonly capabilities: Capabilities;
  readonly draft: DraftContent;
  readonly onEdit: (change: Partial<Draft>) => void;
}

/** What goes with a value. What the company's store cannot do is named in one line. */
export function FormOptions({ entry, current, capabilities, draft, onEdit }: OptionsProps): ReactNode {
  const lacking = [
    ...(capabilities.notes ? [] : ["notes"]),
    ...(capabilities.stages ? [] : ["overlaps", "staging"]),
    ...(capabilities.expiry ? [] : ["expiry"]),
    ...(capabilities.checks || entry.check === undefined ? [] : ["checks"]),
  ];
  const pending = current?.pendingVersion;
  // What is still in Infisical alone has no version here that could stay or wait.
  const hasVersions = capabilities.stages && current !== undefined && current.version > 0;
  return (
    <div className="grid gap-3">
      {capabilities.notes && (
        <TextField
          label="Note"
          value={draft.note}
          onChange={(event) => onEdit({ note: event.target.value })}
          maxLength={500}
          autoComplete="off"
          hint="Why, for the history. Never a value."
        />
      )}
      <div className="grid gap-3 tablet:grid-cols-2">
        {hasVersions && !draft.stage && (
          <Overlap
            label="Keep the old value valid"
            seconds={draft.graceSeconds}
            onChange={(graceSeconds) => onEdit({ graceSeconds })}
          />
        )}
        {capabilities.expiry && (
          <TextField
            label="Expires"
            type="date"
            value={draft.expires}
            onChange={(event) => onEdit({ expires: event.target.value })}
          />
        )}
      </div>
      {capabilities.checks && entry.check !== undefined && !draft.stage && (
        <Checkbox
          label={`Check with ${providerOf(entry)} before saving`}
          hint="A value that is rejected is not saved."
          checked={draft.check}
          onChange={(check) => onEdit({ check })}
        />
      )}
      {hasVersions && (
        <Checkbox
          label="Stage for later"
          hint={
            pending === undefined
              ? "It is saved as pending. The current value stays until you promote it."
              : `It replaces version ${pending}, which is pending now.`
          }
          checked={draft.stage}
          onChange={(stage) => onEdit({ stage })}
        />
      )}
      {lacking.length > 0 && <p className="text-small text-muted">Not in Infisical: {lacking.join(", ")}.</p>}
    </div>
  );
}
