import { useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { reasonOf } from "../errors.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { Button } from "../ui/button.tsx";
import { Checkbox } from "../ui/choices.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/field.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";
import { ApprovalNeeded } from "./approval-needed.tsx";
import type { Company } from "./words.ts";

interface DeleteDialogProps extends Pick<Company, "subdomain" | "secretStore"> {
  readonly open: boolean;
  readonly onClose: () => void;
}

/** Before a company is scheduled for deletion: when, what goes, and the company's name typed. */
export function DeleteDialog({ open, onClose, ...company }: DeleteDialogProps): ReactNode {
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title={`Delete ${company.subdomain}`}
      description="It is suspended now. At the date its keys, values, people and API keys go; its audit log stays. Until then you can keep it."
    >
      <DeleteForm {...company} onClose={onClose} />
    </Dialog>
  );
}

function DeleteForm({
  subdomain,
  secretStore,
  onClose,
}: Pick<DeleteDialogProps, "subdomain" | "secretStore" | "onClose">): ReactNode {
  const client = useTRPCClient();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const say = useToast();
  const [after, setAfter] = useState("30");
  const [days, setDays] = useState("30");
  const [withInfisicalFolder, setWithFolder] = useState(secretStore === "infisical");
  const [typed, setTyped] = useState("");
  const change = useConfirmedChange(
    () =>
      client.companies.delete.mutate({
        company: subdomain,
        afterDays: Number(after),
        backupsKeptDays: Number(days),
        ...(withInfisicalFolder && { withInfisicalFolder }),
      }),
    {
      why: "Deleting a company needs a recent sign-in.",
      onDone: async () => {
        say(`Suspended ${subdomain}; it is deleted in ${after} days`);
        onClose();
        await Promise.all([
          queryClient.invalidateQueries(trpc.companies.pathFilter()),
          queryClient.invalidateQueries(trpc.approvals.pathFilter()),
        ]);
      },
    },
  );
  if (change.error !== null && reasonOf(change.error) === "APPROVAL_REQUIRED")
    return <ApprovalNeeded again="delete the company" />;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (typed === subdomain) change.run(undefined);
  };
  return (
    <form className="grid gap-4" onSubmit={submit}>
      {change.error !== null && <ErrorNotice error={change.error} />}
      <TextField
        label="Delete it after, in days"
        type="number"
        min={1}
        max={365}
        value={after}
        onChange={({ target }) => setAfter(target.value)}
        required
      />
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
          Delete {subdomain}
        </Button>
      </div>
    </form>
  );
}
