import { sql, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { auditActions } from "./actions.ts";
import type { EventRow } from "./leaf.ts";

const { auditSummaries } = tables;

/** What summaries count. An event is counted as one of them, or not at all. */
export interface SummaryCounts {
  /** Values that programs read. */
  readonly reads: number;
  /** Values that people looked at or exported. */
  readonly reveals: number;
  readonly changes: number;
  readonly denials: number;
}

const actionsCountedAs = (count: keyof SummaryCounts): readonly string[] =>
  Object.entries(auditActions).flatMap(([action, counted]) => (counted === count ? [action] : []));

/** The actions of each count. Denials are those of any action. */
export const summarizedActions = {
  reads: actionsCountedAs("reads"),
  reveals: actionsCountedAs("reveals"),
  changes: actionsCountedAs("changes"),
} as const;

const countOf: ReadonlyMap<string, keyof SummaryCounts | null> = new Map(Object.entries(auditActions));

type CountedEvent = Pick<
  EventRow,
  "companyId" | "occurredAt" | "secretKey" | "actorKind" | "actorId" | "action" | "outcome" | "count"
>;

function kindOf({ action, outcome }: CountedEvent): keyof SummaryCounts | undefined {
  if (outcome === "denied") return "denials";
  if (outcome !== "success") return undefined;
  return countOf.get(action) ?? undefined;
}

const hourMs = 3_600_000;

interface SummaryRow extends SummaryCounts {
  readonly company_id: string;
  readonly hour: string;
  readonly secret_key: string;
  readonly actor_kind: string;
  readonly actor_id: string;
}

/** Events added up. An event that was counted together is in the hour of its first time, as in a list. */
function addUp(events: readonly CountedEvent[]): readonly SummaryRow[] {
  const rows = new Map<string, SummaryRow>();
  for (const event of events) {
    const { companyId, secretKey, actorKind, actorId, count } = event;
    const kind = kindOf(event);
    if (companyId === null || kind === undefined) continue;
    const hour = new Date(Math.floor(event.occurredAt.getTime() / hourMs) * hourMs).toISOString();
    const place = JSON.stringify([companyId, hour, secretKey ?? "", actorKind, actorId]);
    const row = rows.get(place) ?? {
      company_id: companyId,
      hour,
      secret_key: secretKey ?? "",
      actor_kind: actorKind,
      actor_id: actorId,
      reads: 0,
      reveals: 0,
      changes: 0,
      denials: 0,
    };
    rows.set(place, { ...row, [kind]: row[kind] + count });
  }
  // In one order, so that two transactions never wait for each other.
  return [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

function recordsetOf(rows: readonly SummaryRow[]): SQL {
  return sql`json_populate_recordset(null::${auditSummaries}, ${JSON.stringify(rows)}::text::json)`;
}

/** Adds the events of a batch, in the transaction that seals it. */
export async function addToSummaries(statements: Statements, events: readonly CountedEvent[]): Promise<void> {
  const rows = addUp(events);
  if (rows.length === 0) return;
  await statements.execute(sql`
    insert into ${auditSummaries} as s select * from ${recordsetOf(rows)}
    on conflict (company_id, hour, secret_key, actor_kind, actor_id) do update set
      reads = s.reads + excluded.reads, reveals = s.reveals + excluded.reveals,
      changes = s.changes + excluded.changes, denials = s.denials + excluded.denials`);
}

/** Takes away sealed events, in the transaction that removes them. */
export async function takeFromSummaries(
  statements: Statements,
  events: readonly CountedEvent[],
): Promise<void> {
  const rows = addUp(events);
  if (rows.length === 0) return;
  const isSame = sql`s.company_id = r.company_id and s.hour = r.hour and s.secret_key = r.secret_key
    and s.actor_kind = r.actor_kind and s.actor_id = r.actor_id`;
  // Never below zero: a row that was changed in the database must not hold the removal back.
  await statements.execute(sql`
    update ${auditSummaries} s set
      reads = greatest(s.reads - r.reads, 0), reveals = greatest(s.reveals - r.reveals, 0),
      changes = greatest(s.changes - r.changes, 0), denials = greatest(s.denials - r.denials, 0)
    from ${recordsetOf(rows)} r where ${isSame}`);
  await statements.execute(sql`
    delete from ${auditSummaries} s using ${recordsetOf(rows)} r
    where ${isSame} and s.reads + s.reveals + s.changes + s.denials = 0`);
}
