import { useQueryClient } from "@tanstack/react-query";
import { CircleCheck, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC, useTRPCClient } from "../api.ts";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { countOf } from "./words.ts";

type Status = ApiAnswers["keys"]["status"];

/** Before a rotation: what it needs, and whether that is so. */
export function RotateDialog({
  open,
  onClose,
  status,
}: {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly status: Status;
}): ReactNode {
  const client = useTRPCClient();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const rotate = useConfirmedChange(() => client.keys.rotate.mutate(), {
    why: "Rotating the master key needs a recent sign-in.",
    onDone: async () => {
      await queryClient.invalidateQueries(trpc.runs.list.pathFilter());
      onClose();
    },
  });
  return (
    <ConfirmDialog
      open={open}
      onClose={onClose}
      title="Rotate the master key"
      action="Rotate"
      onConfirm={() => rotate.run(undefined)}
      busy={rotate.isBusy}
    >
      <div className="grid gap-3">
        <p>
          A new key is made, and every company’s key is wrapped under it. Values stay readable and writable.
          You can leave this page meanwhile.
        </p>
        <ul className="grid gap-2">
          {checksOf(status).map(({ text, isFine }) => (
            <li key={text} className="flex gap-2 text-ink">
              {isFine ? (
                <CircleCheck size={16} aria-label="In order:" className="mt-0.5 shrink-0 text-ok" />
              ) : (
                <TriangleAlert size={16} aria-label="Look:" className="mt-0.5 shrink-0 text-warn" />
              )}
              {text}
            </li>
          ))}
        </ul>
        {rotate.error !== null && <ErrorNotice error={rotate.error} />}
      </div>
    </ConfirmDialog>
  );
}

function checksOf({ versions, processes }: Status) {
  const active = versions.find(({ status }) => status === "active")?.version;
  const behind = processes.filter((each) => active !== undefined && !each.versions.includes(active));
  const damaged = versions.reduce((sum, version) => sum + version.damaged, 0);
  return [
    {
      isFine: true,
      text: "A backup of all keys comes first. Without a place for it nothing is begun.",
    },
    {
      isFine: processes.length > 0 && behind.length === 0,
      text:
        behind.length === 0
          ? `${countOf(processes.length, "running process", "running processes")}, each with the key in use; the rotation waits until each has the new one.`
          : `${behind.length} of ${processes.length} running processes do not have the key in use. See their logs first.`,
    },
    {
      isFine: damaged === 0,
      text:
        damaged === 0
          ? "Every key opened in the last rotation."
          : `${countOf(damaged, "key")} did not open in the last rotation, and will not now: restore them first.`,
    },
  ];
}
