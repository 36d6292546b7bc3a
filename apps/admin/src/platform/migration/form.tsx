import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../../api.ts";
import { useConfirmedChange } from "../../frame/confirmed-change.ts";
import { Button } from "../../ui/button.tsx";
import { Checkbox, RadioGroup } from "../../ui/choices.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { TextField } from "../../ui/field.tsx";
import { ErrorNotice } from "../../ui/notice.tsx";
import {
  begin,
  emptyDraft,
  startOf,
  typedWordOf,
  type Draft,
  type DraftProps,
  type MigrationStart,
} from "./draft.ts";
import type { PlannedLosses } from "./losses.tsx";
import { Options } from "./options.tsx";
import { verbs, verbWords } from "./words.ts";

/** What is filled in already. */
export type Prefilled = Partial<Draft>;

interface StartProps {
  readonly prefilled: Prefilled;
  /** Of the migration before, where one goes on from it. */
  readonly losses?: PlannedLosses | undefined;
}

/** A sheet in which a migration is begun. Its page comes after it. */
export function StartSheet({ onClose, ...start }: StartProps & { readonly onClose: () => void }): ReactNode {
  return (
    <Dialog
      open
      onClose={onClose}
      title="Begin a migration"
      description="It goes on when you leave its page, and can be paused and cancelled."
      place="side"
    >
      <StartForm {...start} />
    </Dialog>
  );
}

function StartForm({ prefilled, losses }: StartProps): ReactNode {
  const [draft, setDraft] = useState<Draft>({ ...emptyDraft, ...prefilled });
  const [typed, setTyped] = useState("");
  const change = (changes: Partial<Draft>): void => setDraft({ ...draft, ...changes });
  const beginning = useBeginning();
  const start = startOf(draft);
  const word = typedWordOf(draft);
  const isReady = start !== undefined && (word === undefined || typed === word);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (isReady) beginning.run(start);
  };
  const { name } = verbWords[draft.verb];
  return (
    <form className="grid gap-5" onSubmit={submit}>
      <RadioGroup
        label="What to do"
        value={draft.verb}
        onChange={(verb) => change({ verb })}
        options={verbs.map((value) => ({
          value,
          label: verbWords[value].name,
          hint: verbWords[value].does,
        }))}
      />
      <Companies draft={draft} onChange={change} />
      <Options draft={draft} onChange={change} losses={losses} />
      <Rate draft={draft} onChange={change} />
      {word !== undefined && (
        <TextField
          label={`Type ${word} to go on`}
          value={typed}
          onChange={({ target }) => setTyped(target.value)}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
        />
      )}
      {beginning.error !== null && <ErrorNotice error={beginning.error} />}
      <Button
        kind={draft.verb === "cleanup" ? "danger" : "primary"}
        type="submit"
        busy={beginning.isBusy}
        disabled={!isReady}
      >
        {name}
      </Button>
    </form>
  );
}

/** The losses of other companies were not seen: their acceptance is taken back. */
function Companies({ draft: { ofAll, named }, onChange }: DraftProps): ReactNode {
  return (
    <div className="grid gap-2">
      <RadioGroup
        label="Which companies"
        value={ofAll ? "all" : "named"}
        onChange={(which) => onChange({ ofAll: which === "all", acceptLosses: false })}
        options={[
          { value: "named", label: "These" },
          {
            value: "all",
            label: "All active ones",
            hint: "Of them, those that it is about: a copy is of those on Infisical alone.",
          },
        ]}
      />
      {!ofAll && (
        <TextField
          label="Subdomains"
          hint="With commas between them, at most 1,000"
          value={named}
          onChange={({ target }) => onChange({ named: target.value, acceptLosses: false })}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
        />
      )}
    </div>
  );
}

function Rate({ draft: { rate, isUnlimited }, onChange }: DraftProps): ReactNode {
  return (
    <div className="grid gap-2">
      <TextField
        label="Requests to Infisical a minute"
        hint="Of all migrations together. Infisical’s cloud limits requests by address; reads of companies need some of them."
        type="number"
        min={1}
        max={100_000}
        value={isUnlimited ? "" : rate}
        disabled={isUnlimited}
        onChange={({ target }) => onChange({ rate: target.value })}
        required={!isUnlimited}
      />
      <Checkbox
        label="Without a limit"
        hint="For an Infisical of your own, which has none"
        checked={isUnlimited}
        onChange={(on) => onChange({ isUnlimited: on })}
      />
    </div>
  );
}

function useBeginning() {
  const client = useTRPCClient();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  return useConfirmedChange((start: MigrationStart) => begin(client, start), {
    why: "Changing where secrets are needs a recent sign-in.",
    onDone: async ({ run }) => {
      await queryClient.invalidateQueries(trpc.runs.list.pathFilter());
      await navigate({ to: "/platform/migrations/$run", params: { run } });
    },
  });
}
