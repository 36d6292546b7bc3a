import { useQueryClient } from "@tanstack/react-query";
import { Pause, Play, X } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import type { Run } from "../frame/runs.ts";
import { Button } from "../ui/button.tsx";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";

const said = { pause: "Paused", resume: "Resumed", cancel: "Cancelled" } as const;

/** What can be asked of a run now: to pause, to go on, or to end for good. */
export function RunActions({ run }: { readonly run: Run }): ReactNode {
  const { id, title, state, driven, allows } = run;
  const client = useTRPCClient();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const say = useToast();
  const [isCancelling, setCancelling] = useState(false);
  const {
    error,
    isBusy,
    run: ask,
    reset,
  } = useConfirmedChange((what: Run["allows"][number]) => client.runs[what].mutate({ run: id }), {
    why: "Changing long work needs a recent sign-in.",
    onDone: async (_, what) => {
      setCancelling(false);
      await queryClient.invalidateQueries(trpc.runs.list.pathFilter());
      say(`${said[what]}: ${title}`);
    },
  });
  // A run that a process is at goes on by itself.
  const mayResume = allows.includes("resume") && !(state === "running" && driven);
  return (
    <>
      {error !== null && !isCancelling && <ErrorNotice error={error} />}
      <div className="flex flex-wrap gap-2">
        {mayResume && (
          <Button icon={Play} busy={isBusy} onClick={() => ask("resume")}>
            {state === "paused" ? "Resume" : "Go on now"}
          </Button>
        )}
        {allows.includes("pause") && (
          <Button icon={Pause} busy={isBusy} onClick={() => ask("pause")}>
            Pause
          </Button>
        )}
        {allows.includes("cancel") && (
          <Button
            icon={X}
            onClick={() => {
              reset();
              setCancelling(true);
            }}
          >
            Cancel…
          </Button>
        )}
      </div>
      <ConfirmDialog
        open={isCancelling}
        onClose={() => setCancelling(false)}
        title={`Cancel: ${title}`}
        action="Cancel for good"
        onConfirm={() => ask("cancel")}
        busy={isBusy}
      >
        <p>
          It ends between two steps and cannot be resumed. What finished steps did stays, or is undone where
          this kind of work is cleaned up.
        </p>
        {error !== null && <ErrorNotice error={error} />}
      </ConfirmDialog>
    </>
  );
}
