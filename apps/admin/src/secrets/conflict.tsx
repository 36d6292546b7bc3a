import { useQuery } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useAccount } from "../frame/account.ts";
import { Button } from "../ui/button.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { SkeletonRows } from "../ui/skeleton.tsx";
import { Time } from "../ui/time.tsx";
import type { FormTarget } from "./form-target.ts";
import { sizeOf } from "../ui/value-field.tsx";

interface ConflictViewProps {
  readonly target: FormTarget;
  /** The value that was not saved. */
  readonly value: string;
  /** The version that is current now; 0 where the secret was removed. */
  readonly theirVersion: number;
  readonly onSaveMine: () => void;
  readonly onKeepTheirs: () => void;
  /** Back to the fields, with what was typed. */
  readonly onBack: () => void;
}

/** Two people, or two tabs, saved the same secret: what is there beside what is not saved. */
export function ConflictView(props: ConflictViewProps): ReactNode {
  const { target, value, theirVersion, onSaveMine, onKeepTheirs, onBack } = props;
  const { company, secretKey, entry } = target;
  const trpc = useTRPC();
  const account = useAccount();
  const { data, error, isPending, refetch } = useQuery(
    trpc.secrets.history.queryOptions({ company, secretKey, limit: 10 }, { gcTime: 0, staleTime: 0 }),
  );
  if (isPending) return <SkeletonRows rows={3} />;
  if (error !== null) return <ErrorNotice error={error} onRetry={() => void refetch()} />;
  const theirs = data.versions.find(({ version }) => version === theirVersion);
  const next = (data.versions[0]?.version ?? theirVersion) + 1;
  const isOwn = theirs?.actor.kind === "user" && theirs.actor.id === account.id;
  const who = isOwn ? "You, in another tab" : (theirs?.actor.name ?? theirs?.actor.id ?? "Not known");
  const showsEnd = entry.lastFour && value.length >= 20;
  return (
    <section aria-label="Two changes of the same secret" className="grid gap-4">
      <Notice
        kind="warn"
        title={
          theirVersion === 0 ? "It was removed meanwhile" : `Version ${theirVersion} was saved meanwhile`
        }
      >
        Your value is not saved, and nothing of it is lost.
      </Notice>
      <div className="grid gap-3 tablet:grid-cols-2">
        <Side title={theirVersion === 0 ? "Theirs: removed" : `Theirs: version ${theirVersion}`}>
          <Fact term="By">{who}</Fact>
          {theirs !== undefined && (
            <Fact term="When">
              <Time at={theirs.createdAt} />
            </Fact>
          )}
          <Fact term="Ends with">
            <span className="font-mono text-code">{theirs?.lastFour ?? "not shown"}</span>
          </Fact>
          <Fact term="Note">{theirs?.note ?? "none"}</Fact>
        </Side>
        <Side title="Yours: not saved">
          <Fact term="Length">{sizeOf(value).join(", ")}</Fact>
          <Fact term="Ends with">
            <span className="font-mono text-code">{showsEnd ? value.slice(-4) : "not shown"}</span>
          </Fact>
        </Side>
      </div>
      {theirVersion > 0 && <Sameness target={target} value={value} />}
      <div className="flex flex-wrap gap-2">
        <Button kind="primary" onClick={onSaveMine}>
          Save mine as version {next}
        </Button>
        <Button onClick={onKeepTheirs}>Keep theirs</Button>
        <Button kind="quiet" onClick={onBack}>
          Back to my value
        </Button>
      </div>
    </section>
  );
}

function Side({ title, children }: { readonly title: string; readonly children: ReactNode }): ReactNode {
  return (
    <section aria-label={title} className="rounded-panel border border-line p-3">
      <h2 className="font-medium">{title}</h2>
      <dl className="mt-2 grid grid-cols-[auto_1fr] gap-x-3 gap-y-1">{children}</dl>
    </section>
  );
}

function Fact({ term, children }: { readonly term: string; readonly children: ReactNode }): ReactNode {
  return (
    <>
      <dt className="text-muted">{term}</dt>
      <dd className="min-w-0 break-words">{children}</dd>
    </>
  );
}

/** The server compares, and audits that it was asked: the other value comes to no page. */
function Sameness({ target, value }: Pick<ConflictViewProps, "target" | "value">): ReactNode {
  const { company, secretKey } = target;
  const client = useTRPCClient();
  const [answer, setAnswer] = useState<string>();
  const [error, setError] = useState<unknown>();
  const ask = async (): Promise<void> => {
    setError(undefined);
    try {
      const entries = [{ secretKey, text: value, line: 1 }];
      const [compared] = await client.secrets.planImport.mutate({ company, entries });
      if (compared?.change === "unchanged") setAnswer("They are the same value: you can keep theirs.");
      else if (compared?.change === "changed") setAnswer("They are different values.");
      else setAnswer("They could not be compared.");
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <div className="grid gap-2">
      <div className="flex flex-wrap items-center gap-3">
        <Button onClick={() => void ask()}>Are they the same?</Button>
        <p role="status">
          {answer ?? <span className="text-small text-muted">The question is audited.</span>}
        </p>
      </div>
      {error !== undefined && <ErrorNotice error={error} onRetry={() => void ask()} />}
    </div>
  );
}
