import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { useToast } from "../ui/toast.tsx";
import type { SecretDescription } from "./form-catalog.ts";
import { Overlap } from "./form-options.tsx";

interface PendingVersionProps {
  readonly company: string;
  readonly secret: SecretDescription;
  /** Whether the person's role may write. */
  readonly canWrite: boolean;
}

/** The version that waits, beside the current one, with what can become of it. Nothing where none waits. */
export function PendingVersion({ company, secret, canWrite }: PendingVersionProps): ReactNode {
  if (secret.pendingVersion === undefined) return undefined;
  return <Pending company={company} secret={secret} pending={secret.pendingVersion} canWrite={canWrite} />;
}

function Pending({
  company,
  secret,
  pending,
  canWrite,
}: PendingVersionProps & { readonly pending: number }): ReactNode {
  const { secretKey, version } = secret;
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queryClient = useQueryClient();
  const say = useToast();
  const { data } = useQuery(trpc.secrets.history.queryOptions({ company, secretKey }));
  const [graceSeconds, setGraceSeconds] = useState(0);
  const [isPromoting, setPromoting] = useState(false);
  const [isDiscarding, setDiscarding] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  // Of this choice: sent again, it is applied once.
  const [requestId, setRequestId] = useState(() => crypto.randomUUID());
  const of = { company, secretKey, expectedVersion: version, pendingVersion: pending, requestId };

  const act = async (change: () => Promise<unknown>, said: string): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      await change();
      say(said);
      await queryClient.invalidateQueries(trpc.secrets.pathFilter());
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
      setDiscarding(false);
    }
  };
  const promote = () =>
    act(
      () => client.secrets.promote.mutate({ ...of, graceSeconds }),
      `Version ${pending} of ${secretKey} is current`,
    );
  const discard = () =>
    act(() => client.secrets.discard.mutate(of), `Version ${pending} of ${secretKey} was discarded`);

  const described = (wanted: number) => data?.versions.find((each) => each.version === wanted);
  return (
    <section aria-label="Pending version" className="grid gap-3 rounded-panel border border-line p-3">
      <div className="grid gap-3 tablet:grid-cols-2">
        <Side title={`Current: version ${version}`} details={described(version)} />
        <Side title={`Pending: version ${pending}`} details={described(pending)} />
      </div>
      {error !== undefined && <ErrorNotice error={error} />}
      {canWrite && isPromoting && (
        <Overlap
          label={`Keep version ${version} valid`}
          seconds={graceSeconds}
          onChange={(seconds) => {
            setGraceSeconds(seconds);
            setRequestId(crypto.randomUUID());
          }}
        />
      )}
      {canWrite && (
        <div className="flex flex-wrap gap-2">
          <Button
            kind={isPromoting ? "primary" : "secondary"}
            onClick={() => (isPromoting ? void promote() : setPromoting(true))}
            busy={isBusy}
          >
            {isPromoting ? `Make version ${pending} current` : `Promote version ${pending}`}
          </Button>
          {isPromoting ? (
            <Button onClick={() => setPromoting(false)} disabled={isBusy}>
              Cancel
            </Button>
          ) : (
            <Button onClick={() => setDiscarding(true)} disabled={isBusy}>
              Discard it
            </Button>
          )}
        </div>
      )}
      <ConfirmDialog
        open={isDiscarding}
        onClose={() => setDiscarding(false)}
        title={`Discard version ${pending} of ${secretKey}?`}
        action={`Discard version ${pending}`}
        onConfirm={() => void discard()}
        busy={isBusy}
      >
        Its value is destroyed. Version {version} stays current.
      </ConfirmDialog>
    </section>
  );
}

interface Details {
  readonly createdAt: Date;
  readonly lastFour?: string | undefined;
  readonly note?: string | undefined;
  readonly actor: { readonly id: string; readonly name?: string | undefined };
}

function Side({
  title,
  details,
}: {
  readonly title: string;
  readonly details: Details | undefined;
}): ReactNode {
  return (
    <section aria-label={title} className="grid content-start gap-1">
      <h2 className="font-medium">{title}</h2>
      {details !== undefined && (
        <>
          <p>
            Ends with <span className="font-mono text-code">{details.lastFour ?? "not shown"}</span>
          </p>
          <p className="text-muted">
            {details.actor.name ?? details.actor.id}, <Time at={details.createdAt} />
          </p>
          {details.note !== undefined && <p className="break-words text-muted">{details.note}</p>}
        </>
      )}
    </section>
  );
}
