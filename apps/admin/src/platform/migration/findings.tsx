import { findingMeanings } from "@repo/tenant-secrets/migration-findings";
import { useState, type ReactNode } from "react";
import { Badge } from "../../ui/badge.tsx";
import { Button } from "../../ui/button.tsx";
import { countOf } from "../words.ts";
import { severityWords, type Finding } from "./words.ts";

/** As many secrets of one finding are named at first. */
const namedAtOnce = 20;

/** What was found of a company's secrets: each kind once, with what to do about it and the secrets that it is about. */
export function Findings({
  subdomain,
  findings,
  moreFindings,
}: {
  readonly subdomain: string;
  readonly findings: readonly Finding[];
  readonly moreFindings: number;
}): ReactNode {
  if (findings.length === 0) return null;
  return (
    <>
      <ul aria-label={`Findings of ${subdomain}`} className="grid gap-2">
        {groupsOf(findings).map((group) => (
          <Group key={group[0].code} group={group} />
        ))}
      </ul>
      {moreFindings > 0 && (
        <p className="text-muted">
          {countOf(moreFindings, "further finding")} {moreFindings === 1 ? "is" : "are"} only counted.
        </p>
      )}
    </>
  );
}

type FindingGroup = readonly [Finding, ...Finding[]];

function Group({ group }: { readonly group: FindingGroup }): ReactNode {
  const [isOpen, setOpen] = useState(false);
  const [{ code }] = group;
  const { severity, sentence } = findingMeanings[code];
  const [word, tone] = severityWords[severity];
  const named = group.filter(({ secretKey, detail }) => secretKey !== undefined || detail !== undefined);
  const shown = isOpen ? named : named.slice(0, namedAtOnce);
  return (
    <li className="grid gap-1 rounded-control bg-sunken px-3 py-2">
      <p className="flex flex-wrap items-center gap-x-2 gap-y-1">
        <code translate="no" className="font-mono text-code font-medium break-all">
          {code}
        </code>
        <Badge tone={tone}>{word}</Badge>
      </p>
      <p className="max-w-[72ch]">{sentence}</p>
      {shown.length > 0 && (
        <ul className="flex flex-wrap gap-x-4 gap-y-1">
          {shown.map(({ secretKey, detail }) => (
            <li key={`${secretKey} ${detail}`} className="min-w-0">
              {secretKey !== undefined && (
                <code translate="no" className="font-mono text-code break-all">
                  {secretKey}
                </code>
              )}{" "}
              {detail !== undefined && <span className="text-small break-all text-muted">{detail}</span>}
            </li>
          ))}
        </ul>
      )}
      {named.length > shown.length && (
        <div>
          <Button onClick={() => setOpen(true)}>Show {named.length - shown.length} more</Button>
        </div>
      )}
    </li>
  );
}

/** By code, in the order in which they were found; each once, as what blocks is among what was found as well. */
function groupsOf(findings: readonly Finding[]): readonly FindingGroup[] {
  const groups = new Map<string, FindingGroup>();
  for (const finding of findings) {
    const { code, secretKey, detail } = finding;
    const before = groups.get(code);
    if (before === undefined) groups.set(code, [finding]);
    else if (!before.some((each) => each.secretKey === secretKey && each.detail === detail))
      groups.set(code, [...before, finding]);
  }
  return [...groups.values()];
}
