import { useMemo, type ReactNode } from "react";
import { scheduleInWords } from "../frame/rotation-schedule.ts";
import { Checkbox } from "../ui/choices.tsx";
import { Select, TextField } from "../ui/field.tsx";
import { LengthField } from "./length-field.tsx";
import { scheduleOf, type PolicyDraft, type Wrong } from "./policy-draft.ts";

interface ScheduleFieldsProps {
  readonly draft: PolicyDraft;
  readonly onChange: (draft: PolicyDraft) => void;
  readonly wrong: Wrong;
}

/** When a secret is rotated: by an interval, by a calendar, before it expires, or by several of these. */
export function ScheduleFields({ draft, onChange, wrong }: ScheduleFieldsProps): ReactNode {
  const { rules } = draft;
  const setRule = (rule: keyof PolicyDraft["rules"]) => (isOn: boolean) =>
    onChange({ ...draft, rules: { ...rules, [rule]: isOn } });
  return (
    <fieldset className="grid gap-4">
      <legend className="mb-2 font-medium">When</legend>
      <Checkbox
        label="So long after the last rotation"
        hint="A value that a person writes counts as one."
        checked={rules.every}
        onChange={setRule("every")}
      />
      {rules.every && <EveryFields draft={draft} onChange={onChange} wrong={wrong} />}
      <Checkbox label="At times of the calendar" checked={rules.cron} onChange={setRule("cron")} />
      {rules.cron && (
        <TextField
          label="Five fields of cron"
          hint="Minute, hour, day, month and day of the week, such as 0 3 1 * * for the first of each month at 03:00."
          value={draft.cron}
          onChange={(event) => onChange({ ...draft, cron: event.target.value })}
          error={wrong.cron}
          maxLength={200}
          autoComplete="off"
          spellCheck={false}
        />
      )}
      <Checkbox
        label="Before the credential expires"
        hint="For secrets whose expiry is known."
        checked={rules.beforeExpiry}
        onChange={setRule("beforeExpiry")}
      />
      {rules.beforeExpiry && (
        <LengthField
          label="Before it expires"
          length={draft.beforeExpiry}
          onChange={(beforeExpiry) => onChange({ ...draft, beforeExpiry })}
          error={wrong.beforeExpiry}
        />
      )}
      {(rules.every || rules.cron || rules.beforeExpiry) && (
        <TimeFields draft={draft} onChange={onChange} wrong={wrong} />
      )}
      <p role="status" className="text-muted">
        {wrong.every === undefined && wrong.beforeExpiry === undefined && scheduleInWords(scheduleOf(draft))}.
        Of several times the first one counts. Each is moved by up to an hour, always by the same for a
        secret; the list of policies shows when it is due.
      </p>
    </fieldset>
  );
}

function EveryFields({ draft, onChange, wrong }: ScheduleFieldsProps): ReactNode {
  return (
    <>
      <LengthField
        label="Every"
        length={draft.every}
        onChange={(every) => onChange({ ...draft, every })}
        error={wrong.every}
      />
      <TextField
        label="At"
        type="time"
        hint="Optional, for an interval of whole days."
        value={draft.at}
        onChange={(event) => onChange({ ...draft, at: event.target.value })}
        error={wrong.at}
      />
    </>
  );
}

function TimeFields({ draft, onChange, wrong }: ScheduleFieldsProps): ReactNode {
  const { zone, window } = draft;
  const zones = useMemo(() => {
    const known = ["UTC", ...Intl.supportedValuesOf("timeZone")];
    return [...new Set([zone, ...known])].toSorted().map((name) => ({ value: name, label: name }));
  }, [zone]);
  return (
    <>
      <div className="grid grid-cols-[minmax(0,1fr)_minmax(0,1fr)] items-start gap-3">
        <TextField
          label="Not before"
          type="time"
          hint="Optional: the only times of day at which one begins."
          value={window.opens}
          onChange={(event) => onChange({ ...draft, window: { ...window, opens: event.target.value } })}
          error={wrong.window}
        />
        <TextField
          label="Not after"
          type="time"
          value={window.closes}
          onChange={(event) => onChange({ ...draft, window: { ...window, closes: event.target.value } })}
        />
      </div>
      <Select
        label="Time zone of these times"
        value={zone}
        onChange={(event) => onChange({ ...draft, zone: event.target.value })}
        options={zones}
      />
    </>
  );
}
