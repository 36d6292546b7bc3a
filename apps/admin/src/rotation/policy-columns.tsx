import { Link } from "@tanstack/react-router";
import { PolicyBadge, RotationBadge } from "../frame/rotation-badge.tsx";
import { durationInWords, scheduleInWords } from "../frame/rotation-schedule.ts";
import { wordsOfDriver, wordsOfReason, type RotationPolicy } from "../frame/rotation-words.ts";
import { aboveRowLink, rowLinkLook, type Column } from "../ui/data-table-columns.ts";
import { SecretName } from "../ui/secret-name.tsx";
import { Time } from "../ui/time.tsx";
import type { OpenPolicyDialog } from "./policy-dialogs.tsx";
import { PolicyMenu } from "./policy-menu.tsx";

/** @param onOpen undefined: the role may change none */
export function policyColumns(
  company: string,
  onOpen: ((dialog: OpenPolicyDialog) => void) | undefined,
): readonly Column<RotationPolicy>[] {
  return [
    {
      id: "secret",
      header: "Secret",
      cell: ({ secretKey, driver }) => (
        <Link
          to="/c/$company/secrets/$secretKey"
          params={{ company, secretKey }}
          className={`block max-w-72 hover:underline max-tablet:max-w-none ${rowLinkLook}`}
        >
          <SecretName secretKey={secretKey} label={wordsOfDriver(driver)} />
        </Link>
      ),
      sortBy: ({ secretKey }) => secretKey,
      onPhone: "heading",
    },
    {
      id: "schedule",
      header: "Schedule",
      cell: ({ schedule }) => (
        <span className="block max-w-64 max-tablet:max-w-none">{scheduleInWords(schedule)}</span>
      ),
    },
    {
      id: "due",
      header: "Next due",
      cell: ({ nextDueAt }) =>
        nextDueAt === undefined ? (
          <span className="text-muted">–</span>
        ) : (
          <span className={`relative ${aboveRowLink}`}>
            <Time at={nextDueAt} as="exact" />
          </span>
        ),
      sortBy: ({ nextDueAt }) => nextDueAt,
    },
    {
      id: "overlap",
      header: "Overlap",
      cell: ({ overlapSeconds }) => durationInWords(overlapSeconds / 60),
      sortBy: ({ overlapSeconds }) => overlapSeconds,
    },
    {
      id: "state",
      header: "State",
      cell: (policy) => (
        <span className="grid justify-items-start gap-0.5 max-tablet:justify-items-end">
          <PolicyBadge state={policy.state} />
          {policy.reason !== undefined && policy.reason !== "PAUSED" && (
            <span className="max-w-64 text-small text-muted">{wordsOfReason(policy.reason)}</span>
          )}
        </span>
      ),
      sortBy: ({ state }) => ["stuck", "paused", "active"].indexOf(state),
    },
    {
      id: "run",
      header: "Last run",
      cell: ({ lastRun }) =>
        lastRun === undefined ? (
          <span className="text-muted">–</span>
        ) : (
          <Link
            to="/c/$company/rotation/runs/$run"
            params={{ company, run: lastRun.id }}
            className={`inline-flex min-h-6 items-center gap-2 hover:underline ${aboveRowLink}`}
          >
            <RotationBadge run={lastRun} />
            <Time at={lastRun.finishedAt ?? lastRun.startedAt} />
          </Link>
        ),
      sortBy: ({ lastRun }) => lastRun?.startedAt,
    },
    ...(onOpen === undefined
      ? []
      : [
          {
            id: "menu",
            header: "Actions",
            cell: (policy: RotationPolicy) => (
              <span className={aboveRowLink}>
                <PolicyMenu policy={policy} onOpen={onOpen} />
              </span>
            ),
            align: "end",
            onPhone: "corner",
          } as const,
        ]),
  ];
}
