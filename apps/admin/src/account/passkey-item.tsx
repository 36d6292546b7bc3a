import { Pencil } from "lucide-react";
import { useState, type FormEvent, type ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPCClient } from "../api.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { Button, IconButton } from "../ui/button.tsx";
import { ConfirmDialog, Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/field.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { Row } from "./section.tsx";

interface PasskeyItemProps {
  readonly passkey: ApiAnswers["me"]["passkeys"]["list"][number];
  readonly onChanged: () => Promise<void>;
}

export function PasskeyItem({ passkey, onChanged }: PasskeyItemProps): ReactNode {
  const { id, name, createdAt, lastUsedAt } = passkey;
  const client = useTRPCClient();
  const [open, setOpen] = useState<"rename" | "remove">();
  const [newName, setNewName] = useState(name);
  const onDone = async (): Promise<void> => {
    setOpen(undefined);
    await onChanged();
  };
  const rename = useConfirmedChange((next: string) => client.me.passkeys.rename.mutate({ id, name: next }), {
    why: "Renaming a passkey needs a recent sign-in.",
    onDone,
  });
  const remove = useConfirmedChange(() => client.me.passkeys.remove.mutate({ id }), {
    why: "Removing a passkey needs a recent sign-in.",
    onDone,
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    rename.run(newName.trim());
  };
  return (
    <Row
      actions={
        <>
          <IconButton label={`Rename ${name}`} icon={Pencil} onClick={() => setOpen("rename")} />
          <Button aria-label={`Remove ${name}`} onClick={() => setOpen("remove")}>
            Remove
          </Button>
        </>
      }
    >
      <span className="truncate">{name}</span>
      <span className="text-small text-muted">
        added <Time at={createdAt} />
        {lastUsedAt !== undefined && (
          <>
            , last used <Time at={lastUsedAt} />
          </>
        )}
      </span>
      <Dialog open={open === "rename"} onClose={() => setOpen(undefined)} title="Rename the passkey">
        <form className="grid gap-4" onSubmit={submit}>
          {rename.error !== null && <ErrorNotice error={rename.error} />}
          <TextField
            label="Name"
            value={newName}
            onChange={(event) => setNewName(event.target.value)}
            autoComplete="off"
            maxLength={100}
            required
          />
          <Button kind="primary" type="submit" busy={rename.isBusy}>
            Rename
          </Button>
        </form>
      </Dialog>
      <ConfirmDialog
        open={open === "remove"}
        onClose={() => setOpen(undefined)}
        title={`Remove the passkey ${name}`}
        action="Remove the passkey"
        busy={remove.isBusy}
        onConfirm={() => remove.run(undefined)}
      >
        It signs you in no more, and your other sessions end. Remove it from the device, too.
        {remove.error !== null && <ErrorNotice error={remove.error} />}
      </ConfirmDialog>
    </Row>
  );
}
