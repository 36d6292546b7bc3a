import { useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/field.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";
import { dayOfExpiry, expiryOf } from "./expiry-date.ts";
import type { SecretDescription } from "./form-catalog.ts";

interface ExpiryDialogProps {
  readonly company: string;
  readonly secret: SecretDescription;
  readonly onClose: () => void;
}

/** Gives the current value the day on which it ends at its provider, another one, or none. */
export function ExpiryDialog({ company, secret, onClose }: ExpiryDialogProps): ReactNode {
  const { secretKey, expiresAt: before } = secret;
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queryClient = useQueryClient();
  const say = useToast();
  const [day, setDay] = useState(before === undefined ? "" : dayOfExpiry(before));
  const [isTried, setTried] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const expiresAt = expiryOf(day);

  const save = async (next: Date | null): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      await client.secrets.setExpiry.mutate({ company, secretKey, expiresAt: next });
      say(
        next === null
          ? `${secretKey} has no expiry any more`
          : `${secretKey} expires on ${words.format(next)}`,
      );
      onClose();
      await queryClient.invalidateQueries(trpc.secrets.pathFilter());
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title={`When ${secretKey} expires`}
      description="The day on which the credential ends at its provider. Reminders are in the audit log 30, 7 and 1 days before. Programs get the value after it, too."
    >
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          if (expiresAt !== undefined) void save(expiresAt);
        }}
      >
        <TextField
          label="Expires on"
          type="date"
          value={day}
          onChange={(event) => setDay(event.target.value)}
          error={isTried && expiresAt === undefined ? "Choose a day." : undefined}
        />
        {error !== undefined && <ErrorNotice error={error} />}
        <div className="flex flex-wrap justify-end gap-2">
          {before !== undefined && (
            <Button kind="quiet" disabled={isBusy} onClick={() => void save(null)}>
              No expiry
            </Button>
          )}
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" busy={isBusy}>
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

const words = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
