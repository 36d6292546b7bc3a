import type { ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { Badge } from "../ui/badge.tsx";
import { Time } from "../ui/time.tsx";
import { HealthBadge } from "./list-health.tsx";

export type Version = ApiAnswers["secrets"]["history"]["versions"][number];

interface VersionItemProps {
  readonly version: Version;
  /** An earlier version that has the same value. */
  readonly sameAs: number | undefined;
  readonly action: ReactNode;
}

/** One version in the timeline of its secret. */
export function VersionItem({ version, sameAs, action }: VersionItemProps): ReactNode {
  const { actor, createdAt, note, lastFour, check, destroyedAt } = version;
  return (
    <li
      aria-label={`Version ${version.version}`}
      className="relative grid gap-1 border-l border-line pb-5 pl-4 last:pb-0"
    >
      <span
        aria-hidden
        className={`absolute top-2 -left-[5px] size-[9px] rounded-full border-2 border-surface ${version.stage === "current" ? "bg-accent" : "bg-control"}`}
      />
      <div className="flex min-h-(--control-height) flex-wrap items-center gap-2">
        <h3 className="font-medium tabular-nums">Version {version.version}</h3>
        <StageBadge version={version} />
        {check !== undefined && <HealthBadge health={check.result} />}
        {action !== undefined && <span className="ml-auto">{action}</span>}
      </div>
      <p className="text-muted">
        {actor.name ?? actor.id}, <Time at={createdAt} />
        {lastFour !== undefined && destroyedAt === undefined && (
          <>
            {" · "}
            <span className="font-mono text-code">…{lastFour}</span>
          </>
        )}
        {sameAs !== undefined && ` · same value as ${sameAs}`}
      </p>
      {note !== undefined && <p className="break-words">{note}</p>}
      {destroyedAt !== undefined && (
        <p className="text-muted">
          Its value was destroyed <Time at={destroyedAt} />.
        </p>
      )}
    </li>
  );
}

function StageBadge({
  version: { stage, activeUntil, destroyedAt },
}: Pick<VersionItemProps, "version">): ReactNode {
  if (destroyedAt !== undefined) return <Badge>Destroyed</Badge>;
  switch (stage) {
    case "current":
      return <Badge tone="accent">Current</Badge>;
    case "pending":
      return <Badge tone="warn">Pending</Badge>;
    case "previous":
      return (
        <Badge tone="neutral">
          Valid until {activeUntil === undefined ? "promoted" : <Time at={activeUntil} as="exact" />}
        </Badge>
      );
    case undefined:
      return null;
  }
}
