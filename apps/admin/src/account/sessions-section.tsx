import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { Badge } from "../ui/badge.tsx";
import { Button } from "../ui/button.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { deviceName } from "./device-name.ts";
import { Row, rowsLook, Section } from "./section.tsx";

type Session = ApiAnswers["me"]["sessions"]["list"][number];

/** @returns asks for the list of sessions again */
export function useSessionsChanged(): () => Promise<void> {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  return () => queryClient.invalidateQueries(trpc.me.sessions.pathFilter());
}

export function SessionsSection(): ReactNode {
  const trpc = useTRPC();
  const client = useTRPCClient();
  const sessionsChanged = useSessionsChanged();
  const query = useQuery(trpc.me.sessions.list.queryOptions());
  const change = { why: "Ending a session needs a recent sign-in.", onDone: sessionsChanged };
  const end = useConfirmedChange((sessionId: string) => client.me.sessions.end.mutate({ sessionId }), change);
  const endOthers = useConfirmedChange(() => client.me.sessions.endOthers.mutate(), change);
  const error = end.error ?? endOthers.error;
  return (
    <Section
      title="Sessions"
      about="Where you are signed in. A session ends 15 minutes after the last input, and after 8 hours."
    >
      {error !== null && <ErrorNotice error={error} />}
      <Loaded query={query}>
        {(sessions) => (
          <>
            <ul className={rowsLook}>
              {sessions.map((session) => (
                <SessionItem
                  key={session.id}
                  session={session}
                  isBusy={end.isBusy || endOthers.isBusy}
                  onEnd={() => end.run(session.id)}
                />
              ))}
            </ul>
            {sessions.length > 1 && (
              <div>
                <Button busy={endOthers.isBusy} onClick={() => endOthers.run(undefined)}>
                  End all other sessions
                </Button>
              </div>
            )}
          </>
        )}
      </Loaded>
    </Section>
  );
}

interface SessionItemProps {
  readonly session: Session;
  readonly isBusy: boolean;
  readonly onEnd: () => void;
}

function SessionItem({ session, isBusy, onEnd }: SessionItemProps): ReactNode {
  const { current, address, device, createdAt, lastSeenAt } = session;
  return (
    <li>
      <Row
        actions={
          current ? (
            <Badge tone="accent">this browser</Badge>
          ) : (
            <Button disabled={isBusy} onClick={onEnd}>
              End
            </Button>
          )
        }
      >
        <span className="font-medium">{deviceName(device)}</span>
        <span className="text-small text-muted">
          {address !== undefined && (
            <>
              <span className="font-mono">{address}</span> ·{" "}
            </>
          )}
          since <Time at={createdAt} />, last seen <Time at={lastSeenAt} />
        </span>
      </Row>
    </li>
  );
}
