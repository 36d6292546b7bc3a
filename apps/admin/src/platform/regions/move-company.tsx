import { useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../../api.ts";
import { useToldChange } from "../../frame/confirmed-change.ts";
import { isUnfinished, useRuns } from "../../frame/runs.ts";
import { Button } from "../../ui/button.tsx";
import { ConfirmDialog } from "../../ui/dialog.tsx";
import { ErrorNotice } from "../../ui/notice.tsx";
import { Time } from "../../ui/time.tsx";
import { RunState } from "../run-state.tsx";

interface MoveProps {
  readonly company: string;
  /** A region that the company is copied to. */
  readonly to: string;
}

/** Makes another region the home of a company. */
export function MoveButton({ company, to }: MoveProps): ReactNode {
  const client = useTRPCClient();
  const trpc = useTRPC();
  const [isAsking, setAsking] = useState(false);
  const move = useToldChange(() => client.companies.move.mutate({ company, to }), {
    why: "Moving a company needs a recent sign-in.",
    say: `${company} is being moved to ${to}`,
    onDone: () => setAsking(false),
    affects: [trpc.runs.pathFilter()],
  });
  const close = (): void => {
    move.reset();
    setAsking(false);
  };
  return (
    <>
      <Button aria-label={`Make ${to} its home`} onClick={() => setAsking(true)}>
        Make it the home…
      </Button>
      <ConfirmDialog
        open={isAsking}
        onClose={close}
        title={`Move ${company} to ${to}`}
        action="Move it"
        onConfirm={() => move.run(undefined)}
        busy={move.isBusy}
        typed={company}
      >
        <p>
          All versions of its secrets and their rotation policies move. Writes are held for some seconds. API
          keys, people, webhook endpoints and the audit log stay in this region, and {to} has its own.
        </p>
        {move.error !== null && <ErrorNotice error={move.error} />}
      </ConfirmDialog>
    </>
  );
}

/** The move of a company that is under way, or what became of the last one. */
export function MoveState({ company }: Pick<MoveProps, "company">): ReactNode {
  const { data } = useRuns({ company, limit: 20 });
  const last = data?.runs.find(({ kind }) => kind === "move-company");
  if (last === undefined) return null;
  if (isUnfinished(last))
    return (
      <div role="group" aria-label="Move to another region" className="pb-3">
        <RunState run={last} />
      </div>
    );
  return (
    <p className="pb-3">
      Its last move {last.state === "done" ? "ended" : "was given up"}{" "}
      <Time at={last.finishedAt ?? last.startedAt} />.{last.error !== undefined && ` ${last.error.message}`}
    </p>
  );
}
