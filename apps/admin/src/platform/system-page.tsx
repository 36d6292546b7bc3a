import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { Page } from "../frame/page.tsx";
import { Badge } from "../ui/badge.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Notice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { Facts, Panel, PanelRow, Section } from "./section.tsx";
import { Jobs, Processes, Untold } from "./system-work.tsx";
import { alarmWords, lightsOf, statusWords, type Health, type Light } from "./system-words.ts";

const everyMs = 5000;

/** What works now. It looks again every five seconds, also while the database does not answer. */
export function SystemPage(): ReactNode {
  const trpc = useTRPC();
  const query = useQuery(
    trpc.system.health.queryOptions(undefined, {
      refetchInterval: everyMs,
      refetchOnMount: "always",
      retry: false,
    }),
  );
  const { data, error } = query;
  return (
    <Page
      title="System"
      beside={data !== undefined && error === null && <Status health={data} />}
      actions={<span className="text-small text-muted">Looks again every {everyMs / 1000} s</span>}
    >
      <Loaded query={query}>
        {(health) =>
          // What was seen before an outage says nothing about now.
          error === null && (
            <>
              <h2 className="sr-only">What works now</h2>
              <Lights lights={lightsOf(health)} />
              <AuditLog audit={health.audit} />
              <Jobs jobs={health.jobs} />
              <Processes processes={health.processes} />
              <Cache cache={health.cache} />
            </>
          )
        }
      </Loaded>
    </Page>
  );
}

function Status({ health: { status } }: { readonly health: Health }): ReactNode {
  const [word, tone] = statusWords[status];
  return <Badge tone={tone}>{word}</Badge>;
}

function Lights({ lights }: { readonly lights: readonly Light[] }): ReactNode {
  return (
    <Panel>
      {lights.map(({ name, word, tone, text }) => (
        <PanelRow key={name} title={name} action={<Badge tone={tone}>{word}</Badge>}>
          {text}
        </PanelRow>
      ))}
    </Panel>
  );
}

function AuditLog({ audit }: { readonly audit: Health["audit"] }): ReactNode {
  if (audit === undefined) return <Untold title="Audit log" />;
  const { sealed, unsealed, lagSeconds, verification, failover, alarms } = audit;
  return (
    <Section title="Audit log">
      {alarms.map((alarm) => (
        <Notice key={alarm} kind="danger" title={alarm}>
          {alarmWords[alarm]}
        </Notice>
      ))}
      <Facts
        facts={[
          {
            label: "Sealed up to",
            value: sealed === undefined ? "Nothing yet" : <Time at={sealed.at} />,
          },
          { label: "Batch", value: sealed?.batch.toLocaleString("en-GB") ?? "None" },
          {
            label: "Waiting events",
            value: unsealed >= 10_000 ? "10,000 or more" : unsealed.toLocaleString("en-GB"),
          },
          { label: "Longest wait", value: `${lagSeconds} s` },
          {
            label: "Last verified",
            value: verification === undefined ? "Not yet" : <Time at={verification.finishedAt} />,
          },
          {
            label: "Found",
            value:
              verification === undefined
                ? "–"
                : verification.outcome === "sound"
                  ? "All well"
                  : `${verification.findings} changes`,
          },
          ...(failover === undefined
            ? []
            : [
                { label: `Failed over after batch ${failover.afterBatch}`, value: <Time at={failover.at} /> },
              ]),
        ]}
      />
    </Section>
  );
}

function Cache({ cache }: { readonly cache: Health["cache"] }): ReactNode {
  const { hits, negativeHits, staleHits, misses, entries, bytes } = cache;
  const reads = hits + negativeHits + staleHits + misses;
  const share = reads === 0 ? "–" : `${Math.round((100 * (reads - misses)) / reads)} %`;
  return (
    <Section title="Cache" hint="Of the process that answered, since its start.">
      <Facts
        facts={[
          { label: "Answered from it", value: share },
          { label: "Hits", value: (hits + negativeHits).toLocaleString("en-GB") },
          { label: "Misses", value: misses.toLocaleString("en-GB") },
          { label: "Stale answers", value: staleHits.toLocaleString("en-GB") },
          { label: "Entries", value: entries.toLocaleString("en-GB") },
          { label: "Size", value: `${(bytes / 1_048_576).toFixed(1)} MiB` },
        ]}
      />
    </Section>
  );
}
