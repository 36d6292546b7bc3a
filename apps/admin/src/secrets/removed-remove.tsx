import { useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { explain } from "../errors.ts";
import { Checkbox } from "../ui/choices.tsx";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";
import type { SecretDescription, SecretList } from "./form-catalog.ts";

interface RemoveDialogProps {
  readonly company: string;
  readonly list: Pick<SecretList, "store" | "capabilities">;
  readonly secret: SecretDescription;
  readonly onClose: () => void;
  /** It was removed. */
  readonly onRemoved?: () => void;
}

/**
 * Removes a secret. It can be restored for a while, at once by the message that says so; in Infisical it is gone for good. What a
 * hybrid company has of it in Infisical stays there, unless it is deleted there too.
 */
export function RemoveDialog({ company, list, secret, onClose, onRemoved }: RemoveDialogProps): ReactNode {
  const { secretKey, version } = secret;
  const { capabilities, store } = list;
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const [inInfisical, setInInfisical] = useState(false);
  const { remove, isBusy, error } = useRemoval({ company, list, secret, onRemoved: onRemoved ?? onClose });
  // What is in Infisical alone is in no history here.
  const isRestorable = capabilities.recovery && version > 0;
  const isHybrid = store === "hybrid";
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={`Remove ${secretKey}?`}
      action={`Remove ${secretKey}`}
      onConfirm={() => void remove(isHybrid && inInfisical)}
      busy={isBusy}
      {...((!isRestorable || inInfisical) && { typed: secretKey })}
    >
      <div className="grid gap-3">
        <p>
          Programs get it no longer.{" "}
          {isRestorable
            ? "It can be restored for a while: at once, and later from the removed secrets."
            : isHybrid
              ? "Its value is only in Infisical, so it cannot be restored from here."
              : "It is deleted in Infisical, from where it cannot be restored."}
        </p>
        {isHybrid && (
          <Checkbox
            label="Delete in Infisical too"
            hint="For good. Without it, what Infisical has of it stays there, unseen from here."
            checked={inInfisical}
            onChange={setInInfisical}
          />
        )}
        {error !== undefined && (
          <ErrorNotice
            error={error}
            onRetry={() => void queryClient.invalidateQueries(trpc.secrets.pathFilter()).then(onClose)}
          />
        )}
      </div>
    </ConfirmDialog>
  );
}

interface Removal extends Pick<RemoveDialogProps, "company" | "list" | "secret"> {
  readonly onRemoved: () => void;
}

function useRemoval({ company, list: { capabilities }, secret, onRemoved }: Removal) {
  const { secretKey, version } = secret;
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queryClient = useQueryClient();
  const say = useToast();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const [requestId] = useState(() => crypto.randomUUID());

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
  const remove = async (inInfisical: boolean): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      const { recoverUntil, leftInInfisical } = await client.secrets.remove.mutate({
        company,
        secretKey,
        ...(inInfisical && { inInfisical }),
        ...(capabilities.conditionalWrites && version > 0 && { expectedVersion: version }),
        ...(capabilities.requestIds && { requestId: `${requestId}-${inInfisical}` }),
      });
      const left = leftInInfisical === true ? ". Infisical has it still, unseen from here" : "";
      say(`${secretKey} was removed${left}`, recoverUntil === undefined ? undefined : () => void restore());
      onRemoved();
      await refresh();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return { remove, isBusy, error };
}
