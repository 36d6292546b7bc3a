import type { Across } from "@repo/db";
import { isGenuineRow, type RowKey, rowName } from "@repo/envelope";
import { rowTables, type StoredRow } from "./stored-rows.ts";
import type { Findings } from "./findings.ts";
import type { EventRow } from "./leaf.ts";

/** The latest change of each row that decides who may read, by its events. */
export interface RowChanges {
  /** Adds a genuine event. Events may come in any order. */
  add(event: EventRow): void;
  /** The revision that the latest change gave to a row; undefined without a change. */
  latest(name: string): number | undefined;
}

export function createRowChanges(): RowChanges {
  const latest = new Map<string, number>();
  return {
    add: (event) => {
      const name = changedRow(event);
      if (name === undefined || event.version === null) return;
      // Later states have higher revisions, whatever the order of the events.
      latest.set(name, Math.max(event.version, latest.get(name) ?? 0));
    },
    latest: (name) => latest.get(name),
  };
}

/** The name of the row that an event changed, as `rowName` forms it. */
function changedRow({ action, outcome, companyId, subject }: EventRow): string | undefined {
  if (outcome !== "success") return undefined;
  switch (action) {
    case "company.create":
    case "company.rename":
    case "company.set-recovery":
    case "company.set-store":
    case "company.adopt":
    case "company.move":
    case "company.take-over":
    case "company.leave":
    case "company.suspend":
    case "company.resume":
    case "company.schedule-deletion":
    case "company.keep":
    case "company.delete":
      return `company ${companyId}`;
    case "api-key.create":
    case "api-key.rotate":
    case "api-key.revoke":
      return `api-key ${subject}`;
    case "operator.create":
    case "operator.link":
    case "operator.unlink":
    case "operator.revoke":
      return `operator ${subject}`;
    case "user.disable":
    case "user.enable":
      return `user ${subject}`;
    case "invitation.create":
    case "invitation.accept":
    case "invitation.revoke":
      return `invitation ${subject}`;
    case "approval.request":
    case "approval.give":
    case "approval.refuse":
    case "approval.use":
      return `approval ${subject}`;
    case "company.add-region":
    case "company.remove-region":
      return `company-region ${companyId} ${subject}`;
    case "region.add":
    case "region.remove":
      return `region ${subject}`;
    case "member.add":
    case "member.change":
    case "member.remove":
      return `membership ${companyId} ${subject}`;
    default:
      return undefined;
  }
}

export interface RowCheckDependencies {
  readonly across: Across;
  /** @returns undefined for a version whose MACs are not accepted */
  readonly findRowKey: (keyVersion: number) => Promise<RowKey | undefined>;
  readonly findings: Findings;
}

const pageSize = 500;

/**
 * Checks every row that decides who may read against its MAC and its latest change in the audit log.
 *
 * @returns the number of rows
 */
export async function verifyRows(
  { across, findRowKey, findings }: RowCheckDependencies,
  changes: RowChanges,
): Promise<number> {
  let count = 0;
  const check = async ({ state, beside }: StoredRow): Promise<void> => {
    count++;
    const name = rowName(state);
    const key = await findRowKey(beside.macKeyVersion);
    if (key === undefined || !isGenuineRow(key, state, beside)) {
      findings.add(
        "row-not-genuine",
        `The row ${name} has no MAC of this deployment: it was changed or inserted by another party, and counts for nothing.`,
      );
      return;
    }
    const latest = changes.latest(name);
    if (latest !== undefined && beside.revision < latest) {
      findings.add(
        "row-outdated",
        `The row ${name} has revision ${beside.revision}, and the latest change of it in the audit log made ${latest}: an older state was put back.`,
      );
    }
  };
  for (const table of rowTables) {
    for (let after: StoredRow | undefined, more = true; more;) {
      const rows = await across((statements) => table.select(statements, after, pageSize));
      for (const row of rows) await check(row);
      after = rows.at(-1);
      more = rows.length === pageSize;
    }
  }
  return count;
}
