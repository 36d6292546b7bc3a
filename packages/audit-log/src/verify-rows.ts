import type { Statements } from "@repo/db";
import { isGenuineRow, type RowKey, rowName } from "@repo/envelope";
import { rowTables, type StoredRow } from "./stored-rows.ts";
import type { Findings } from "./findings.ts";
import type { EventRow } from "./leaf.ts";

/** What the audit log says of the rows that decide who may read: the latest change of each. */
export interface RowChanges {
  /** Takes an event that is genuine, in any order. */
  add(event: EventRow): void;
  /** The revision that the latest change gave to a row; undefined where the audit log has none. */
  latest(name: string): number | undefined;
}

export function createRowChanges(): RowChanges {
  const latest = new Map<string, number>();
  return {
    add: (event) => {
      const name = changedRow(event);
      if (name === undefined || event.version === null) return;
      // Later states have higher numbers, so that no order of the events is needed.
      latest.set(name, Math.max(event.version, latest.get(name) ?? 0));
    },
    latest: (name) => latest.get(name),
  };
}

/** The row that an event is the change of, as `rowName` calls it. */
function changedRow({ action, outcome, companyId, subject }: EventRow): string | undefined {
  if (outcome !== "success") return undefined;
  switch (action) {
    case "company.create":
    case "company.rename":
    case "company.set-recovery":
    case "company.set-store":
      return `company ${companyId}`;
    case "api-key.create":
    case "api-key.revoke":
      return `api-key ${subject}`;
    case "operator.create":
    case "operator.revoke":
      return `operator ${subject}`;
    case "user.disable":
    case "user.enable":
      return `user ${subject}`;
    case "member.add":
    case "member.change":
    case "member.remove":
      return `membership ${companyId} ${subject}`;
    default:
      return undefined;
  }
}

export interface RowCheckDependencies {
  readonly across: <T>(work: (statements: Statements) => Promise<T>) => Promise<T>;
  /** The key of a number; undefined where its MACs do not count. */
  readonly findRowKey: (keyVersion: number) => Promise<RowKey | undefined>;
  readonly findings: Findings;
}

const pageSize = 500;

/**
 * Holds every row that decides who may read to its MAC, and to the latest change of it in the audit log.
 *
 * @returns how many there are
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
