import type { ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../../api.ts";
import { useToldChange } from "../../frame/confirmed-change.ts";
import { ConfirmDialog } from "../../ui/dialog.tsx";
import { ErrorNotice } from "../../ui/notice.tsx";

/** @param region the one to remove; undefined while none is */
export function RemoveRegion({
  region,
  onClose,
}: {
  readonly region: string | undefined;
  readonly onClose: () => void;
}): ReactNode {
  const client = useTRPCClient();
  const trpc = useTRPC();
  const remove = useToldChange((name: string) => client.regions.remove.mutate({ region: name }), {
    why: "Removing a region needs a recent sign-in.",
    say: "The region was removed",
    onDone: onClose,
    affects: [trpc.regions.list.pathFilter()],
  });
  const close = (): void => {
    remove.reset();
    onClose();
  };
  return (
    <ConfirmDialog
      open={region !== undefined}
      onClose={close}
      title={`Remove ${region ?? ""}`}
      action="Remove"
      onConfirm={() => region !== undefined && remove.run(region)}
      busy={remove.isBusy}
    >
      <p>
        Nothing is copied there any more, and what comes from there does not count. Its name is not used
        again.
      </p>
      {remove.error !== null && <ErrorNotice error={remove.error} />}
    </ConfirmDialog>
  );
}
