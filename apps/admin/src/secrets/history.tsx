import { useQueries } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { SkeletonRows } from "../ui/skeleton.tsx";
import type { SecretDescription } from "./form-catalog.ts";
import { Rollback } from "./history-rollback.tsx";
import { VersionItem, type Version } from "./history-version.tsx";

interface HistoryProps {
  readonly company: string;
  readonly secretKey: string;
  /** Undefined of a secret that was removed: its history stays. */
  readonly secret: SecretDescription | undefined;
  /** Whether the role and the store let an earlier version become current. */
  readonly canRollBack: boolean;
}

/** Every version of a secret, the newest first, a hundred at a time. */
export function History({ company, secretKey, secret, canRollBack }: HistoryProps): ReactNode {
  const trpc = useTRPC();
  const [befores, setBefores] = useState<readonly (number | undefined)[]>([undefined]);
  const [chosen, setChosen] = useState<Version>();
  const pages = useQueries({
    queries: befores.map((before) =>
      trpc.secrets.history.queryOptions({ company, secretKey, ...(before !== undefined && { before }) }),
    ),
  });
  const failed = pages.find(({ error }) => error !== null);
  const last = pages.at(-1);
  const versions = pages.flatMap(({ data }) => data?.versions ?? []);
  const next = last?.data?.next;
  return (
    <div className="grid gap-4">
      {versions.length > 0 && (
        <ol aria-label="Versions" className="grid">
          {versions.map((version) => (
            <VersionItem
              key={version.id}
              version={version}
              sameAs={sameAs(version, versions)}
              action={
                canRollBack && secret !== undefined && isEarlier(version) ? (
                  <Button kind="quiet" onClick={() => setChosen(version)}>
                    Roll back to this
                  </Button>
                ) : undefined
              }
            />
          ))}
        </ol>
      )}
      {failed !== undefined && <ErrorNotice error={failed.error} onRetry={() => void failed.refetch()} />}
      {failed === undefined && last?.data === undefined && <SkeletonRows />}
      {failed === undefined && last?.data !== undefined && versions.length === 0 && (
        <Notice title="No version yet">The first one that is written here begins its history.</Notice>
      )}
      {next !== undefined && (
        <div>
          <Button onClick={() => setBefores([...befores, next])}>Show earlier versions</Button>
        </div>
      )}
      {secret !== undefined && chosen !== undefined && (
        <Rollback company={company} secret={secret} to={chosen} onClose={() => setChosen(undefined)} />
      )}
    </div>
  );
}

function isEarlier({ stage, destroyedAt }: Version): boolean {
  return stage !== "current" && stage !== "pending" && destroyedAt === undefined;
}

/** The first version before this one with the same value, as the fingerprints tell. */
function sameAs({ version, fingerprint }: Version, versions: readonly Version[]): number | undefined {
  if (fingerprint === undefined) return undefined;
  return versions.findLast((other) => other.fingerprint === fingerprint && other.version < version)?.version;
}
