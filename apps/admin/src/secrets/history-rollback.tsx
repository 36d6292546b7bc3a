import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/field.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";
import type { SecretDescription } from "./form-catalog.ts";
import type { Version } from "./history-version.tsx";

interface RollbackProps {
  readonly company: string;
  readonly secret: SecretDescription;
  readonly to: Version;
  readonly onClose: () => void;
}

/** Says what rolling back makes, asks why, and does it. */
export function Rollback({ company, secret, to, onClose }: RollbackProps): ReactNode {
  const { secretKey, version, lastVersion = version } = secret;
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const say = useToast();
  const [note, setNote] = useState("");
  // Of this choice: sent again, it is applied once.
  const [requestId] = useState(() => crypto.randomUUID());
  const again = () => queryClient.invalidateQueries(trpc.secrets.pathFilter());
  const rollback = useMutation(
    trpc.secrets.rollback.mutationOptions({
      onSuccess: (made) => {
        say(`Version ${made.version} of ${secretKey} has the value of version ${to.version}`);
        onClose();
        return again();
      },
    }),
  );
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Roll back to version ${to.version}?`}
      description={`Makes version ${lastVersion + 1} with the value of version ${to.version}. Version ${version} is no longer current at once, and stays in the history.`}
    >
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          rollback.mutate({
            company,
            secretKey,
            toVersion: to.version,
            expectedVersion: version,
            requestId,
            ...(note !== "" && { note }),
          });
        }}
      >
        <TextField
          label="Note"
          hint="Why, for the history. Not a secret."
          value={note}
          maxLength={500}
          autoComplete="off"
          onChange={(event) => setNote(event.target.value)}
        />
        {rollback.error !== null && (
          <ErrorNotice
            error={rollback.error}
            onRetry={() => {
              onClose();
              void again();
            }}
          />
        )}
        <div className="flex flex-wrap justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" busy={rollback.isPending}>
            Make version {lastVersion + 1}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
