import { Link, useParams } from "@tanstack/react-router";
import { ChevronLeft } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Page } from "../../frame/page.tsx";
import { isUnfinished, runStates, type Run } from "../../frame/runs.ts";
import { Badge } from "../../ui/badge.tsx";
import { Loaded } from "../../ui/loaded.tsx";
import { Time } from "../../ui/time.tsx";
import { RunActions } from "../run-actions.tsx";
import { RunState } from "../run-state.tsx";
import { Section } from "../section.tsx";
import { Companies } from "./companies.tsx";
import { Next } from "./next.tsx";
import { MigrationReport } from "./report.tsx";
import { useMigration, useMigrationCompanies } from "./run.ts";
import type { CompanyMigration } from "./words.ts";

/** One migration: how far it is, what became of each company, and what comes next. */
export function MigrationPage(): ReactNode {
  const { run: id } = useParams({ from: "/signed-in/platform/migrations/$run" });
  const query = useMigration(id);
  const run = query.data;
  return (
    <Page
      key={id}
      title={run?.title ?? "Migration"}
      // While it goes on, its state is beside its progress.
      beside={run !== undefined && !isUnfinished(run) && <State run={run} />}
      actions={
        <Link to="/platform/migrations" className="inline-flex items-center gap-1 text-muted hover:text-ink">
          <ChevronLeft size={16} aria-hidden />
          All migrations
        </Link>
      }
    >
      <Loaded query={query}>{(data) => <Migration run={data} />}</Loaded>
    </Page>
  );
}

function State({ run: { state } }: { readonly run: Run }): ReactNode {
  const [word, tone] = runStates[state];
  return <Badge tone={tone}>{word}</Badge>;
}

function Migration({ run }: { readonly run: Run }): ReactNode {
  const [state, setState] = useState<CompanyMigration["state"]>();
  const [after, setAfter] = useState<string>();
  const query = useMigrationCompanies(run, { state, after });
  const show = (next: CompanyMigration["state"] | undefined): void => {
    setState(next);
    setAfter(undefined);
  };
  return (
    <>
      <p className="text-muted">
        Begun <Time at={run.startedAt} />
        {run.requestedBy.name !== undefined && ` by ${run.requestedBy.name}`}
        {run.finishedAt !== undefined && (
          <>
            , ended <Time at={run.finishedAt} />
          </>
        )}
        .{isUnfinished(run) && " It goes on when you leave this page."}
      </p>
      {isUnfinished(run) && (
        <div
          role="group"
          aria-label="Progress"
          className="grid gap-3 rounded-panel border border-line bg-surface px-3 py-3"
        >
          <RunState run={run} />
          <RunActions run={run} />
        </div>
      )}
      <Loaded query={query}>
        {(page) => (
          <>
            {run.finishedAt !== undefined && <Next run={run} page={page} />}
            <Companies page={page} state={state} onState={show} after={after} onAfter={setAfter} />
            {page.foldersWithoutCompany.length > 0 && <StrayFolders names={page.foldersWithoutCompany} />}
          </>
        )}
      </Loaded>
      {run.state === "done" && <MigrationReport run={run.id} />}
    </>
  );
}

function StrayFolders({ names }: { readonly names: readonly string[] }): ReactNode {
  return (
    <Section
      title="Folders without a company"
      hint="They are in /tenants in Infisical, and belong to no company here. They are not touched."
    >
      <ul className="flex flex-wrap gap-x-4 gap-y-1 rounded-panel border border-line bg-surface px-3 py-3">
        {names.map((name) => (
          <li key={name}>
            <code translate="no" className="font-mono text-code break-all">
              {name}
            </code>
          </li>
        ))}
      </ul>
    </Section>
  );
}
