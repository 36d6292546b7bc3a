import { Link } from "@tanstack/react-router";
import { countsInWords } from "@repo/tenant-secrets/migration-findings";
import type { ReactNode } from "react";
import { Badge } from "../../ui/badge.tsx";
import { Notice } from "../../ui/notice.tsx";
import { Time } from "../../ui/time.tsx";
import { countOf, storeWords } from "../words.ts";
import { Findings } from "./findings.tsx";
import {
  companyStates,
  verbWords,
  type CompanyMigration,
  type CompanyResult,
  type MigrationVerb,
} from "./words.ts";

/** What became of one company: its state, the counts of both sides, and what was found. */
export function CompanyItem({
  verb,
  migration,
}: {
  readonly verb: MigrationVerb;
  readonly migration: CompanyMigration;
}): ReactNode {
  const { company, state, error, result } = migration;
  const [word, tone] = companyStates[state];
  return (
    <li aria-label={company.subdomain} className="grid gap-2 px-3 py-3">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <Link
          to="/platform/companies/$subdomain"
          params={{ subdomain: company.subdomain }}
          className="font-medium break-all hover:underline"
        >
          {company.subdomain}
        </Link>
        <Badge tone={tone}>{word}</Badge>
        {result !== undefined && <span className="text-muted">{storesInWords(result)}</span>}
      </div>
      {result !== undefined && <p className="text-muted tabular-nums">{resultInWords(result)}</p>}
      {state === "blocked" && <p>{verbWords[verb].blocked}</p>}
      {error !== undefined && <Failure migration={migration} error={error} />}
      {result !== undefined && (
        <Findings
          subdomain={company.subdomain}
          findings={result.findings}
          moreFindings={result.moreFindings}
        />
      )}
    </li>
  );
}

function Failure({
  migration: { state, attempts, notBefore },
  error: { code, message },
}: {
  readonly migration: CompanyMigration;
  readonly error: NonNullable<CompanyMigration["error"]>;
}): ReactNode {
  const isFinal = state === "failed";
  return (
    <Notice
      kind={isFinal ? "danger" : "warn"}
      title={
        isFinal ? `Failed, after ${countOf(attempts, "attempt")}` : `${countOf(attempts, "attempt")} failed`
      }
    >
      {message} <code className="font-mono text-small text-muted">{code}</code>
      {notBefore !== undefined && (
        <p className="text-small text-muted">
          It is tried again at <Time at={notBefore} as="exact" />.
        </p>
      )}
    </Notice>
  );
}

function storesInWords({ from, to, epochBefore, epochAfter }: CompanyResult): string {
  if (from === to) return `${storeWords[to]}, epoch ${epochAfter}`;
  return `${storeWords[from]} → ${storeWords[to]}, epoch ${epochBefore} → ${epochAfter}`;
}

function resultInWords({ counts, moved, heldMs }: CompanyResult): string {
  const sides = countsInWords(counts).join(", ");
  const changed = moved > 0 ? ` ${countOf(moved, "secret")} moved.` : "";
  const held = heldMs === undefined ? "" : ` Writes waited for ${heldMs.toLocaleString("en-GB")} ms.`;
  return `${sides}.${changed}${held}`;
}
