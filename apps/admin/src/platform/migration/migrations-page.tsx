import { useNavigate, useSearch } from "@tanstack/react-router";
import { ArrowRightLeft } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Page } from "../../frame/page.tsx";
import { useRuns } from "../../frame/runs.ts";
import { Button } from "../../ui/button.tsx";
import { EarlierMigrations, UnfinishedMigrations } from "./earlier.tsx";
import { StartSheet } from "./form.tsx";
import type { MigrationParams } from "./params.ts";
import { Stores } from "./stores.tsx";
import { verbs } from "./words.ts";

const shownRuns = 50;

/** Where the secrets of companies are, and what moves them. */
export function MigrationsPage(): ReactNode {
  const params = useSearch({ from: "/signed-in/platform/migrations" });
  const navigate = useNavigate({ from: "/platform/migrations" });
  const runs = useRuns({ kind: "migrate", limit: shownRuns });
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const verb = verbs.find((each) => each === params.verb);
  const go = (search: MigrationParams): void => void navigate({ search });
  const named = params.company === undefined ? [...chosen] : [params.company];
  const { verb: _verb, company: _company, ...behind } = params;
  return (
    <Page
      title="Migrations"
      actions={
        <Button
          kind="primary"
          icon={ArrowRightLeft}
          aria-keyshortcuts="n"
          onClick={() => go({ ...behind, verb: "plan" })}
        >
          Begin a migration
        </Button>
      }
    >
      <UnfinishedMigrations runs={runs.data?.runs ?? []} />
      <Stores params={behind} onParams={go} chosen={chosen} onChoose={setChosen} runs={runs.data?.runs} />
      <EarlierMigrations query={runs} />
      {verb !== undefined && (
        <StartSheet prefilled={{ verb, named: named.join(", ") }} onClose={() => go(behind)} />
      )}
    </Page>
  );
}
