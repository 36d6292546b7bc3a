import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowLeft, ArchiveRestore } from "lucide-react";
import { useState, type ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { ConfirmationDeclined, useConfirmation } from "../frame/confirmation.tsx";
import { Page } from "../frame/page.tsx";
import { Button, buttonLook } from "../ui/button.tsx";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { EmptyState } from "../ui/empty-state.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { SecretName } from "../ui/secret-name.tsx";
import { Time } from "../ui/time.tsx";
import { useToast } from "../ui/toast.tsx";

type Removed = ApiAnswers["secrets"]["removed"]["secrets"][number];

/** What was removed and can be restored. */
export function RemovedPage(): ReactNode {
  const { subdomain: company } = useCompany();
  const trpc = useTRPC();
  const list = useQuery(trpc.secrets.list.queryOptions({ company }));
  return (
    <Page
      title="Removed secrets"
      actions={
        <Link to="/c/$company/secrets" params={{ company }} className={buttonLook("quiet")}>
          <ArrowLeft size={16} aria-hidden />
          All secrets
        </Link>
      }
    >
      <Loaded query={list}>
        {({ capabilities }) =>
          capabilities.recovery ? (
            <RemovedList company={company} />
          ) : (
            <Notice title="Not in Infisical">
              The secrets of {company} are kept in Infisical. What is removed there cannot be restored here.
            </Notice>
          )
        }
      </Loaded>
    </Page>
  );
}

function RemovedList({ company }: { readonly company: string }): ReactNode {
  const trpc = useTRPC();
  const query = useQuery(trpc.secrets.removed.queryOptions({ company }));
  return (
    <Loaded query={query}>
      {({ secrets }) =>
        secrets.length === 0 ? (
          <EmptyState icon={ArchiveRestore} title="Nothing is removed">
            A secret that is removed stays here for a while, and can be restored.
          </EmptyState>
        ) : (
          <ul
            aria-label="Removed secrets"
            className="divide-y divide-line rounded-panel border border-line bg-surface"
          >
            {secrets.map((secret) => (
              <RemovedItem key={secret.secretKey} company={company} secret={secret} />
            ))}
          </ul>
        )
      }
    </Loaded>
  );
}

function RemovedItem({ company, secret }: { readonly company: string; readonly secret: Removed }): ReactNode {
  const { secretKey, label, removedAt, removedBy, restorableUntil } = secret;
  const { can } = useCompany();
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queryClient = useQueryClient();
  const withConfirmation = useConfirmation();
  const say = useToast();
  const [isDestroying, setDestroying] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();

  const act = async (change: () => Promise<string>): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      say(await change());
      await queryClient.invalidateQueries(trpc.secrets.pathFilter());
    } catch (failure) {
      if (!(failure instanceof ConfirmationDeclined)) setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const restore = () =>
    act(async () => {
      const { version } = await client.secrets.restore.mutate({ company, secretKey });
      return `${secretKey} is back, as version ${version}`;
    });
  const destroy = () => {
    setDestroying(false);
    return act(async () => {
      await withConfirmation(
        () => client.secrets.purge.mutate({ company, secretKey }),
        "Destroying needs a recent sign-in.",
      );
      return `The values of ${secretKey} are destroyed`;
    });
  };
  return (
    <li className="grid gap-2 px-3 py-2.5">
      <div className="flex flex-wrap items-center gap-x-6 gap-y-2">
        <Link
          to="/c/$company/secrets/$secretKey"
          params={{ company, secretKey }}
          className="grid min-w-0 flex-1 basis-60 hover:underline"
        >
          <SecretName secretKey={secretKey} label={label} />
        </Link>
        <dl className="grid basis-72 grid-cols-[auto_1fr] gap-x-3 text-small text-muted">
          <dt>Removed</dt>
          <dd>
            <Time at={removedAt} />
            {removedBy !== undefined && ` by ${removedBy.name ?? removedBy.id}`}
          </dd>
          <dt>Restorable</dt>
          <dd>
            until <Time at={restorableUntil} as="exact" />
          </dd>
        </dl>
        {can("delete") && (
          <div className="flex flex-wrap gap-2">
            <Button busy={isBusy} aria-label={`Restore ${secretKey}`} onClick={() => void restore()}>
              Restore
            </Button>
            <Button
              kind="quiet"
              disabled={isBusy}
              aria-label={`Destroy now: ${secretKey}`}
              onClick={() => setDestroying(true)}
            >
              Destroy now
            </Button>
          </div>
        )}
      </div>
      {error !== undefined && <ErrorNotice error={error} />}
      <ConfirmDialog
        open={isDestroying}
        onClose={() => setDestroying(false)}
        title={`Destroy the values of ${secretKey}?`}
        action={`Destroy ${secretKey}`}
        onConfirm={() => void destroy()}
        typed={secretKey}
      >
        Every value that it had is destroyed now, for good: it can be restored no longer. Its history stays.
      </ConfirmDialog>
    </li>
  );
}
