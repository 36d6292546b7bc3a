import type { ReactNode } from "react";
import { Checkbox, RadioGroup } from "../../ui/choices.tsx";
import { TextField } from "../../ui/field.tsx";
import { Notice } from "../../ui/notice.tsx";
import { losesWith, namesIn, type DraftProps } from "./draft.ts";
import { Losses, type PlannedLosses } from "./losses.tsx";
import { plannedWords, type Planned } from "./words.ts";

type OptionsProps = DraftProps & { readonly losses: PlannedLosses | undefined };

/** What else the verb needs to know. */
export function Options({ losses, ...props }: OptionsProps): ReactNode {
  switch (props.draft.verb) {
    case "plan":
      return <PlanOptions {...props} />;
    case "copy":
      return <TakeNewest {...props} />;
    case "verify":
      return null;
    case "switch":
      return <SwitchOptions {...props} />;
    case "rollback":
      return <RollbackOptions {...props} losses={losses} />;
    case "cleanup":
      return <CleanupOptions {...props} />;
  }
}

const planned: readonly Planned[] = ["switch", "copy", "rollback", "cleanup"];

function PlanOptions({ draft, onChange }: DraftProps): ReactNode {
  return (
    <RadioGroup
      label="What is planned"
      value={draft.before}
      onChange={(before) => onChange({ before })}
      options={planned.map((value) => ({ value, label: plannedWords[value] }))}
    />
  );
}

function TakeNewest({ draft, onChange }: DraftProps): ReactNode {
  return (
    <Checkbox
      label="Of several secrets of one name, take the newest"
      hint="It is the one that reads served. Without this, the company is blocked."
      checked={draft.takeNewest}
      onChange={(takeNewest) => onChange({ takeNewest })}
    />
  );
}

function SwitchOptions(props: DraftProps): ReactNode {
  const { draft, onChange } = props;
  return (
    <>
      <RadioGroup
        label="To which store"
        value={draft.switchTo}
        onChange={(switchTo) => onChange({ switchTo })}
        options={[
          {
            value: "hybrid",
            label: "Database and Infisical",
            hint: "What the database has is read there, the rest still in the folder.",
          },
          { value: "database", label: "Database", hint: "The folder is not read any more." },
        ]}
      />
      <TextField
        label="Secrets to leave behind in Infisical"
        hint="By name, with commas between them. Whatever else blocks has to be mended first."
        value={draft.leave}
        onChange={({ target }) => onChange({ leave: target.value })}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
      />
      <TakeNewest {...props} />
    </>
  );
}

function RollbackOptions(props: OptionsProps): ReactNode {
  const { draft, onChange } = props;
  return (
    <>
      <RadioGroup
        label="To which store"
        value={draft.rollbackTo}
        onChange={(rollbackTo) => onChange({ rollbackTo, acceptLosses: false })}
        options={[
          { value: "infisical", label: "Infisical", hint: "The folder gets what is newer in the database." },
          { value: "hybrid", label: "Database and Infisical", hint: "Nothing moves, and nothing is lost." },
        ]}
      />
      {losesWith(draft) && <AcceptLosses {...props} />}
    </>
  );
}

/** Infisical has no place for some things. What they are is seen before their loss can be accepted. */
function AcceptLosses({ draft, onChange, losses }: OptionsProps): ReactNode {
  const isPlanned =
    losses !== undefined &&
    !draft.ofAll &&
    namesIn(draft.named).every((subdomain) => losses.companies.includes(subdomain));
  if (isPlanned && losses.losses.length === 0)
    return <Notice kind="ok">Nothing would be lost, as far as it was planned.</Notice>;
  return (
    <div className="grid gap-2">
      {isPlanned && (
        <Notice kind="warn" title="Infisical has no place for these">
          <Losses losses={losses.losses} />
        </Notice>
      )}
      <Checkbox
        label="Accept these losses"
        hint={
          isPlanned
            ? "They stay in the database for a later return. Without this, companies that lose something are blocked."
            : "Plan a roll back of these companies first: the plan lists what would be lost, and one goes on from there."
        }
        checked={isPlanned && draft.acceptLosses}
        onChange={(acceptLosses) => onChange({ acceptLosses })}
        disabled={!isPlanned}
      />
    </div>
  );
}

function CleanupOptions({ draft, onChange }: DraftProps): ReactNode {
  return (
    <>
      <TextField
        label="Left behind for at least, in days"
        hint="7 or more. A plan of a clean-up shows what would go."
        type="number"
        min={7}
        max={3650}
        value={draft.afterDays}
        onChange={({ target }) => onChange({ afterDays: target.value })}
        required
      />
      <TextField
        label="Type the number of copies that are removed"
        hint="If there are more or fewer of them by then, none is removed."
        value={draft.folders}
        onChange={({ target }) => onChange({ folders: target.value })}
        inputMode="numeric"
        autoComplete="off"
        required
      />
    </>
  );
}
