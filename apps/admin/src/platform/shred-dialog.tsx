import { useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { reasonOf } from "../errors.ts";
import { Button } from "../ui/button.tsx";
import { Checkbox } from "../ui/choices.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/field.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { ApprovalNeeded } from "./approval-needed.tsx";
import { saveFile } from "./save-file.ts";
import type { Company } from "./words.ts";

interface ShredDialogProps extends Pick<Company, "subdomain" | "secretStore"> {
  readonly open: boolean;
  readonly onClose: () => void;
}

/** Before the keys of a company are destroyed: what goes, what stays, and the company's name typed. */
export function ShredDialog({ open, onClose, ...company }: ShredDialogProps): ReactNode {
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title={`Shred ${company.subdomain}`}
      description="Its keys and encrypted values are destroyed, and its API keys end. Names, versions, people and the audit log stay. It cannot be undone."
    >
      <ShredForm {...company} onClose={onClose} />
    </Dialog>
  );
}

function ShredForm({
  subdomain,
  secretStore,
  onClose,
}: Pick<ShredDialogProps, "subdomain" | "secretStore" | "onClose">): ReactNode {
  const client = useTRPCClient();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const say = useToast();
  const [days, setDays] = useState("30");
  const [withInfisicalFolder, setWithFolder] = useState(secretStore === "infisical");
  const [typed, setTyped] = useState("");
  const shred = useConfirmedChange(
    () =>
      client.companies.shred.mutate({
        company: subdomain,
        backupsKeptDays: Number(days),
        ...(withInfisicalFolder && { withInfisicalFolder }),
      }),
    {
      why: "Shredding a company needs a recent sign-in.",
      onDone: async (receipt) => {
        saveFile(`shredding-${subdomain}.json`, JSON.stringify(receipt));
        say(`Shredded ${subdomain}; the receipt is among your downloads`);
        onClose();
        await Promise.all([
          queryClient.invalidateQueries(trpc.companies.pathFilter()),
          queryClient.invalidateQueries(trpc.approvals.pathFilter()),
        ]);
      },
    },
  );
  if (shred.error !== null && reasonOf(shred.error) === "APPROVAL_REQUIRED")
    return <ApprovalNeeded again="shred the company" />;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (typed === subdomain) shred.run(undefined);
  };
  return (
    <form className="grid gap-4" onSubmit={submit}>
      {shred.error !== null && <ErrorNotice error={shred.error} />}
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
      {secretStore !== "database" && (
        <Checkbox
          label="Delete its folder in Infisical too"
          hint="Values there are under no key of ours. Without this they stay."
          checked={withInfisicalFolder}
          onChange={setWithFolder}
          disabled={secretStore === "infisical"}
        />
      )}
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
        <Button kind="danger" type="submit" busy={shred.isBusy} disabled={typed !== subdomain}>
          Shred {subdomain}
        </Button>
      </div>
    </form>
  );
}
