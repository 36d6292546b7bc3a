import { useQuery } from "@tanstack/react-query";
import { Link, useLocation, useParams, useRouter } from "@tanstack/react-router";
import { Clock } from "lucide-react";
import type { ReactNode } from "react";
import { queriesOf } from "../api.ts";
import { Badge } from "../ui/badge.tsx";
import { Popover } from "../ui/menu.tsx";
import { Progress } from "../ui/progress.tsx";
import { Time } from "../ui/time.tsx";
import { useAccount } from "./account.ts";
import { isUnfinished, otherwiseMs, runStates, type Run } from "./runs.ts";

/**
 * The long work of the company within seven days, such as a new company key; for operators that of the platform. Without any
 * there is no clock.
 */
export function WorkClock(): ReactNode {
  const { companies, operator } = useAccount();
  const { company } = useParams({ strict: false });
  const isOurs = companies.some(({ subdomain, suspended }) => subdomain === company && !suspended);
  const isOnPlatform = useLocation({ select: ({ pathname }) => pathname.startsWith("/platform") });
  const isOperators = isOnPlatform && operator !== undefined;
  const { api } = useRouter().options.context;
  const asked = isOperators ? {} : { company };
  const { data } = useQuery(
    queriesOf(api, isOperators ? "operator" : "person").runs.list.queryOptions(
      { ...asked, recent: true, limit: 20 },
      { enabled: isOurs || isOperators, refetchInterval: otherwiseMs, retry: false },
    ),
  );
  if (data === undefined || data.runs.length === 0 || !(isOurs || isOperators)) return null;
  const going = data.runs.filter(isUnfinished).length;
  return (
    <Popover
      label="Long work"
      trigger={
        <button
          type="button"
          className="flex h-9 w-full items-center gap-2.5 rounded-control px-2.5 text-muted transition-colors hover:bg-sunken hover:text-ink max-desktop:justify-center max-tablet:w-auto"
        >
          <Clock size={16} aria-hidden />
          <span className="max-desktop:sr-only">{going === 0 ? "Recent work" : `${going} running`}</span>
        </button>
      }
    >
      <ul className="grid max-h-96 gap-4 overflow-auto">
        {data.runs.map((run) => (
          <RunItem key={run.id} run={run} />
        ))}
      </ul>
      {isOperators && (
        <Link to="/platform/runs" className="mt-3 inline-flex min-h-6 items-center text-accent underline">
          All long work
        </Link>
      )}
    </Popover>
  );
}

function RunItem({ run }: { readonly run: Run }): ReactNode {
  const { id, kind, title, state, phase, done, total, startedAt, finishedAt, requestedBy, error } = run;
  const [word, tone] = runStates[state];
  return (
    <li className="grid gap-1.5">
      <div className="flex items-start gap-2">
        <span className="flex-1 font-medium">
          {kind === "migrate" ? (
            <Link to="/platform/migrations/$run" params={{ run: id }} className="text-accent hover:underline">
              {title}
            </Link>
          ) : (
            title
          )}
        </span>
        <Badge tone={tone}>{word}</Badge>
      </div>
      {finishedAt === undefined && <Progress label={phase} done={done} total={total} />}
      <p className="text-small text-muted">
        Since <Time at={startedAt} />
        {requestedBy.name !== undefined && `, by ${requestedBy.name}`}
      </p>
      {error !== undefined && finishedAt === undefined && (
        <p className="text-small text-danger">{error.message}</p>
      )}
    </li>
  );
}
