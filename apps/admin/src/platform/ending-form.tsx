import { useState, type FormEvent, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { reasonOf } from "../errors.ts";
import { useToldChange } from "../frame/confirmed-change.ts";
import { Button } from "../ui/button.tsx";
import { Checkbox } from "../ui/choices.tsx";
import { TextField } from "../ui/field.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { ApprovalNeeded } from "./approval-needed.tsx";
import type { Ending } from "./endings.ts";
import type { Company } from "./words.ts";

interface EndingFormProps {
  readonly ending: Ending;
  readonly company: Pick<Company, "subdomain" | "secretStore">;
  readonly onClose: () => void;
}

export function EndingForm({ ending, company, onClose }: EndingFormProps): ReactNode {
  const { subdomain, secretStore } = company;
  const { verb, why, again, hasDate, run } = ending;
  const client = useTRPCClient();
  const trpc = useTRPC();
  const [after, setAfter] = useState("30");
  const [days, setDays] = useState("30");
  const [withInfisicalFolder, setWithFolder] = useState(secretStore === "infisical");
  const [typed, setTyped] = useState("");
  const change = useToldChange(
    () =>
      run(client, {
        company: subdomain,
        afterDays: Number(after),
        backupsKeptDays: Number(days),
        ...(withInfisicalFolder && { withInfisicalFolder }),
      }),
    {
      why,
      say: (said) => said,
      onDone: onClose,
      affects: [trpc.companies.pathFilter(), trpc.approvals.pathFilter()],
    },
  );
  if (change.error !== null && reasonOf(change.error) === "APPROVAL_REQUIRED")
    return <ApprovalNeeded again={again} />;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (typed === subdomain) change.run(undefined);
  };
  return (
    <form className="grid gap-4" onSubmit={submit}>
      {change.error !== null && <ErrorNotice error={change.error} />}
      {hasDate && (
        <TextField
          label="Delete it after, in days"
          type="number"
          min={1}
          max={365}
          value={after}
          onChange={({ target }) => setAfter(target.value)}
          required
        />
      )}
      <TextField
        label="Backups of the database are kept for, in days"
        hint="The longest time, archived WAL included. The receipt promises by it."
        type="number"
        min={0}
        max={36_500}
        value={days}
        onChange={({ target }) => setDays(target.value)}
        required
      />
      <Checkbox
        label="Delete its folder in Infisical too"
        hint="Values there are under no key of ours. Without this they stay."
        checked={withInfisicalFolder}
        onChange={setWithFolder}
        disabled={secretStore === "infisical"}
      />
      <TextField
        label={`Type ${subdomain} to go on`}
        value={typed}
        onChange={({ target }) => setTyped(target.value)}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
      />
      <div className="flex flex-wrap justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="danger" type="submit" busy={change.isBusy} disabled={typed !== subdomain}>
          {verb} {subdomain}
        </Button>
      </div>
    </form>
  );
}
