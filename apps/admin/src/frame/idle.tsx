import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { useSecondsUntil } from "../ui/time.tsx";
import { useAccount } from "./account.ts";

/** How long before its end the session is asked about, and how often the server is told of input, in milliseconds. */
const askedBeforeMs = 2 * 60_000;
const toldEveryMs = 60_000;

/** Tells the server of input, so that the session of a person who works stays. A person who does not is asked whether to stay. */
export function IdleWatch(): ReactNode {
  const { session } = useAccount();
  const endsAt = session.idleEndsAt?.getTime();
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queryClient = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const toldAt = useRef(0);

  const ask = async (): Promise<void> => {
    await queryClient.invalidateQueries(trpc.me.get.pathFilter());
  };
  const stay = async (): Promise<void> => {
    setAsking(false);
    toldAt.current = Date.now();
    await client.me.active.mutate();
    await ask();
  };

  useEffect(() => {
    const heard = (): void => {
      if (Date.now() - toldAt.current < toldEveryMs) return;
      void stay().catch(() => {});
    };
    const events = ["pointerdown", "keydown"] as const;
    for (const name of events) addEventListener(name, heard);
    return () => {
      for (const name of events) removeEventListener(name, heard);
    };
  });

  useEffect(() => {
    setAsking(false);
    if (endsAt === undefined) return;
    const timers = [
      setTimeout(
        () => {
          // Another tab may have put the end off.
          setAsking(true);
          void ask();
        },
        Math.max(0, endsAt - askedBeforeMs - Date.now()),
      ),
      // The answer says that there is no session, which ends it here.
      setTimeout(() => void ask(), Math.max(0, endsAt + 1000 - Date.now())),
    ];
    return () => timers.forEach(clearTimeout);
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- `ask` is the same at each time
  }, [endsAt]);

  if (!isAsking || endsAt === undefined) return null;
  return <StillThere endsAt={endsAt} onStay={() => void stay()} />;
}

function StillThere({ endsAt, onStay }: { readonly endsAt: number; readonly onStay: () => void }): ReactNode {
  const seconds = useSecondsUntil(endsAt);
  const left = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  return (
    <Dialog
      open
      onClose={onStay}
      title="Still there?"
      description="Without input the session ends, so that an open page is of no use to others."
    >
      <div className="flex items-center justify-between gap-4">
        <span className="text-muted tabular-nums" role="timer">
          {left} left
        </span>
        <Button kind="primary" onClick={onStay}>
          Stay signed in
        </Button>
      </div>
    </Dialog>
  );
}
