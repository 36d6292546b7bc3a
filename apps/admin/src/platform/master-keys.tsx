import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useState, type ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC, useTRPCClient } from "../api.ts";
import { reasonOf } from "../errors.ts";
import { Badge, type Tone } from "../ui/badge.tsx";
import { Button } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Column } from "../ui/data-table-columns.ts";
import { ConfirmDialog, Dialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { useToast } from "../ui/toast.tsx";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { ApprovalNeeded } from "./approval-needed.tsx";

type MasterKey = ApiAnswers["keys"]["status"]["versions"][number];

const states: Readonly<Record<MasterKey["status"], readonly [word: string, tone: Tone]>> = {
  pending: ["Pending", "warn"],
  active: ["In use", "ok"],
  retiring: ["Retiring", "warn"],
  retired: ["Retired", "neutral"],
  destroyed: ["Destroyed", "neutral"],
};

const columns: readonly Column<MasterKey>[] = [
  {
    id: "version",
    header: "Key",
    cell: ({ version, name }) => (
      <span className="grid">
        <span className="font-medium">Version {version}</span>
        <span className="font-mono text-small break-all text-muted">{name}</span>
      </span>
    ),
    onPhone: "heading",
  },
  {
    id: "status",
    header: "State",
    cell: ({ status }) => <Badge tone={states[status][1]}>{states[status][0]}</Badge>,
  },
  {
    id: "age",
    header: "In use since",
    cell: ({ activatedAt }) =>
      activatedAt === undefined ? <span className="text-muted">Never</span> : <Time at={activatedAt} />,
  },
  {
    id: "due",
    header: "Due",
    cell: ({ dueAt }) =>
      dueAt === undefined ? <span className="text-muted">–</span> : <Time at={dueAt} as="until" />,
  },
  {
    id: "wraps",
    header: "Wraps",
    align: "end",
    cell: ({ wraps, damaged }) => (
      <span className="whitespace-nowrap tabular-nums">
        {wraps.toLocaleString("en-GB")}
        {damaged > 0 && <span className="text-danger"> ({damaged} damaged)</span>}
      </span>
    ),
  },
];

function columnsWith(onDestroy: (key: MasterKey) => void): readonly Column<MasterKey>[] {
  return [
    ...columns,
    {
      id: "act",
      header: "Actions",
      align: "end",
      cell: (key) =>
        key.status === "retired" && (
          <Button onClick={() => onDestroy(key)} aria-label={`Destroy version ${key.version}…`}>
            Destroy…
          </Button>
        ),
      onPhone: "corner",
    },
  ];
}

/** The versions of the master key, the newest first. */
export function MasterKeys({ versions }: { readonly versions: readonly MasterKey[] }): ReactNode {
  const [destroyed, setDestroyed] = useState<MasterKey>();
  const all = useMemo(() => columnsWith(setDestroyed), []);
  return (
    <>
      <DataTable
        label="Master keys"
        rows={versions.toReversed()}
        columns={all}
        rowKey={({ version }) => String(version)}
      />
      {destroyed !== undefined && (
        <DestroyDialog masterKey={destroyed} onClose={() => setDestroyed(undefined)} />
      )}
    </>
  );
}

function DestroyDialog({
  masterKey: { version, name },
  onClose,
}: {
  readonly masterKey: MasterKey;
  readonly onClose: () => void;
}): ReactNode {
  const client = useTRPCClient();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const say = useToast();
  const destroy = useConfirmedChange(() => client.keys.destroy.mutate({ version }), {
    why: "Destroying a master key needs a recent sign-in.",
    onDone: async () => {
      await queryClient.invalidateQueries(trpc.keys.status.pathFilter());
      say(`Destroyed master key ${version}`);
      onClose();
    },
  });
  if (destroy.error !== null && reasonOf(destroy.error) === "APPROVAL_REQUIRED") {
    return (
      <Dialog open onClose={onClose} title={`Destroy master key ${version}`}>
        <ApprovalNeeded again="destroy the key" />
      </Dialog>
    );
  }
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={`Destroy master key ${version}`}
      action="Destroy the key"
      onConfirm={() => destroy.run(undefined)}
      busy={destroy.isBusy}
      typed={name}
    >
      <p>
        It is deleted in Infisical for good. Backups of the database from its time cannot be read any more.
        Another operator has to approve it.
      </p>
      {destroy.error !== null && <ErrorNotice error={destroy.error} />}
    </ConfirmDialog>
  );
}
