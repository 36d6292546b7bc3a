import { Link } from "@tanstack/react-router";
import { RotationBadge } from "../frame/rotation-badge.tsx";
import { beginningOf, wordsOfDriver, wordsOfReason, type RotationRun } from "../frame/rotation-words.ts";
import { aboveRowLink, rowLinkLook, type Column } from "../ui/data-table-columns.ts";
import { SecretName } from "../ui/secret-name.tsx";
import { Time } from "../ui/time.tsx";

export function runColumns(company: string): readonly Column<RotationRun>[] {
  return [
    {
      id: "secret",
      header: "Secret",
      cell: ({ id, secretKey, driver }) => (
        <Link
          to="/c/$company/rotation/runs/$run"
          params={{ company, run: id }}
          className={`block max-w-72 hover:underline max-tablet:max-w-none ${rowLinkLook}`}
        >
          <SecretName secretKey={secretKey} label={wordsOfDriver(driver)} />
        </Link>
      ),
      onPhone: "heading",
    },
    {
      id: "state",
      header: "State",
      cell: (run) => (
        <span className="grid justify-items-start gap-0.5 max-tablet:justify-items-end">
          <RotationBadge run={run} />
          {run.reason !== undefined && (
            <span className="max-w-80 text-small text-muted">{wordsOfReason(run.reason)}</span>
          )}
        </span>
      ),
    },
    { id: "begun", header: "Begun", cell: (run) => <span className="text-muted">{beginningOf(run)}</span> },
    {
      id: "began",
      header: "Began",
      align: "end",
      cell: ({ startedAt }) => (
        <span className={aboveRowLink}>
          <Time at={startedAt} />
        </span>
      ),
    },
    {
      id: "ended",
      header: "Ended",
      align: "end",
      cell: ({ finishedAt }) =>
        finishedAt === undefined ? (
          <span className="text-muted">–</span>
        ) : (
          <span className={aboveRowLink}>
            <Time at={finishedAt} />
          </span>
        ),
    },
  ];
}
