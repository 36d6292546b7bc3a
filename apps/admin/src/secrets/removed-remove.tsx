import { useQueryClient } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { explain } from "../errors.ts";
import { Button } from "../ui/button.tsx";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";
import type { Capabilities, SecretDescription } from "./form-catalog.ts";

interface RemoveProps {
  readonly company: string;
  readonly secret: SecretDescription;
  readonly capabilities: Capabilities;
  readonly onRemoved: () => void;
}

/** Removes a secret. It can be restored for a while, at once by the message that says so; in Infisical it is gone for good. */
export function RemoveSecret({ company, secret, capabilities, onRemoved }: RemoveProps): ReactNode {
  const { secretKey, version } = secret;
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queryClient = useQueryClient();
  const say = useToast();
  const [isAsking, setAsking] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const [requestId] = useState(() => crypto.randomUUID());
  // What is in Infisical alone is in no history here.
  const isRestorable = capabilities.recovery && version > 0;

  const refresh = () => queryClient.invalidateQueries(trpc.secrets.pathFilter());
  const restore = async (): Promise<void> => {
    try {
      const restored = await client.secrets.restore.mutate({ company, secretKey });
      say(`${secretKey} is back, as version ${restored.version}`);
    } catch (failure) {
      say(`${secretKey} was not restored: ${explain(failure).title}`);
    }
    await refresh();
  };
  const remove = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      const { recoverUntil, leftInInfisical } = await client.secrets.remove.mutate({
        company,
        secretKey,
        ...(capabilities.conditionalWrites && version > 0 && { expectedVersion: version }),
        ...(capabilities.requestIds && { requestId }),
      });
      const left = leftInInfisical === true ? ". Infisical has it still, unseen from here" : "";
      say(`${secretKey} was removed${left}`, recoverUntil === undefined ? undefined : () => void restore());
      onRemoved();
      await refresh();
    } catch (failure) {
      setError(failure);
      setAsking(false);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Button kind="quiet" icon={Trash2} onClick={() => setAsking(true)}>
        Remove
      </Button>
      {error !== undefined && (
        <div className="w-full">
          <ErrorNotice error={error} onRetry={() => void refresh().then(() => setError(undefined))} />
        </div>
      )}
      <ConfirmDialog
        open={isAsking}
        onClose={() => setAsking(false)}
        title={`Remove ${secretKey}?`}
        action={`Remove ${secretKey}`}
        onConfirm={() => void remove()}
        busy={isBusy}
        {...(!isRestorable && { typed: secretKey })}
      >
        {isRestorable
          ? "Programs get it no longer. It can be restored for a while: at once, and later from the removed secrets."
          : "Programs get it no longer. It is deleted in Infisical, from where it cannot be restored."}
      </ConfirmDialog>
    </>
  );
}
