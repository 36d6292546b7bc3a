import type { AuditAction } from "./actions.ts";
import type { EventRow } from "./leaf.ts";
import { checkpointHash } from "./checkpoint.ts";
import type { CheckedCheckpoint, LoggedCheckpoint } from "./verify-checkpoint.ts";

/** Events of an operator's acknowledgement of a failover. Retention leaves them. */
export const failoverActions = [
  "audit.acknowledge-failover",
  "audit.lost-checkpoint",
] as const satisfies readonly AuditAction[];

/**
 * A place where the audit log goes on on another timeline of the same cluster: a standby was promoted, or the server was
 * restored to a point in time.
 */
export interface Failover {
  /** The last checkpoint before it. */
  readonly after: { readonly batch: number; readonly checkpoint: string; readonly sealedAt: Date };
  readonly timelines: readonly [before: number, after: number];
  /** When the first checkpoint after it was sealed. */
  readonly sealedAt: Date;
  /** Archived checkpoints of the earlier timeline that it lost and that no event acknowledges, in order. */
  readonly lost: readonly LoggedCheckpoint[];
  /** The acknowledgements, in order: a second one is of checkpoints that the first did not know. */
  readonly acknowledged: readonly Acknowledgement[];
}

interface Acknowledgement {
  readonly operator: string;
  readonly at: Date;
  /** The number of lost checkpoints, and of their events. */
  readonly checkpoints: number;
  readonly events: number;
}

/** The event that acknowledges a failover. Its subject is the hash of the last checkpoint before, and what was lost. */
export function acknowledgementOf({ after, lost }: Pick<Failover, "after" | "lost">) {
  const events = lost.reduce((sum, each) => sum + (each.events ?? 0), 0);
  return {
    action: "audit.acknowledge-failover",
    version: after.batch,
    subject: `${after.checkpoint} ${lost.length} ${events}`,
  } as const;
}

/** The event that names one lost checkpoint. */
export function lostCheckpointOf({ batch, checkpoint }: LoggedCheckpoint) {
  return { action: "audit.lost-checkpoint", version: batch, subject: checkpoint } as const;
}

/** Finds failovers while an audit log is verified, with what each of them lost. */
export interface Failovers {
  /** Two neighbouring checkpoints. Only sound ones show a failover: its timelines are signed. */
  add(before: CheckedCheckpoint, next: CheckedCheckpoint): void;
  /** A genuine event. Events may come in any order. */
  addEvent(event: EventRow): void;
  /** An archived checkpoint that the audit log does not have. */
  addUnknown(checkpoint: LoggedCheckpoint): void;
  /** @returns the failovers, and the archived checkpoints that none of them explains */
  settle(): { readonly failovers: readonly Failover[]; readonly unexplained: readonly LoggedCheckpoint[] };
}

export function createFailovers(): Failovers {
  const found: Omit<Failover, "lost" | "acknowledged">[] = [];
  const acknowledgements: EventRow[] = [];
  const acknowledgedCheckpoints = new Set<string>();
  const unknown = new Map<string, LoggedCheckpoint>();
  return {
    add: (before, next) => {
      const [from, to] = [before.timeline, next.timeline];
      if (!before.isSound || !next.isSound || before.row.cluster !== next.row.cluster) return;
      if (from === undefined || to === undefined || to <= from) return;
      const { index: batch, checkpoint, sealedAt } = before.row;
      found.push({
        after: { batch, checkpoint: checkpointHash(checkpoint).toString("hex"), sealedAt },
        timelines: [from, to],
        sealedAt: next.row.sealedAt,
      });
    },
    addEvent: (event) => {
      if (event.outcome !== "success" || event.actorKind !== "operator") return;
      if (event.action === "audit.acknowledge-failover") acknowledgements.push(event);
      if (event.action === "audit.lost-checkpoint") acknowledgedCheckpoints.add(nameOf(event));
    },
    addUnknown: (checkpoint) => {
      unknown.set(nameOf({ version: checkpoint.batch, subject: checkpoint.checkpoint }), checkpoint);
    },
    settle: () => {
      const failovers = found.map((failover): Failover => {
        const acknowledged = acknowledgements.flatMap((event) => acknowledgementIn(event, failover));
        const lost: LoggedCheckpoint[] = [];
        for (const [name, checkpoint] of unknown) {
          if (!isLostIn(failover, checkpoint)) continue;
          unknown.delete(name);
          if (acknowledged.length === 0 || !acknowledgedCheckpoints.has(name)) lost.push(checkpoint);
        }
        return { ...failover, lost: lost.toSorted((a, b) => a.batch - b.batch), acknowledged };
      });
      return { failovers, unexplained: [...unknown.values()] };
    },
  };
}

/** Whether a failover can have lost a checkpoint: a later one than the last that is left, of a timeline before the new one. */
function isLostIn(
  { after, timelines: [from, to] }: Pick<Failover, "after" | "timelines">,
  lost: LoggedCheckpoint,
) {
  const { batch, timeline } = lost;
  return batch > after.batch && timeline !== undefined && timeline >= from && timeline < to;
}

function acknowledgementIn(
  { version, subject, actorId, occurredAt }: EventRow,
  { after }: Pick<Failover, "after">,
): Acknowledgement[] {
  const [, checkpoint, checkpoints, events] =
    /^([0-9a-f]{64}) (\d{1,9}) (\d{1,15})$/.exec(subject ?? "") ?? [];
  if (version !== after.batch || checkpoint !== after.checkpoint) return [];
  return [{ operator: actorId, at: occurredAt, checkpoints: Number(checkpoints), events: Number(events) }];
}

function nameOf({ version, subject }: Pick<EventRow, "version" | "subject">): string {
  return `${version} ${subject}`;
}

/** A failover as a notice says it: what it lost, and who has acknowledged that. */
export function failoverSentence({ after, timelines, sealedAt, lost, acknowledged }: Failover): string {
  const [before, now] = timelines;
  const what = `After batch ${after.batch} of ${after.sealedAt.toISOString()}, the database was failed over or restored to a point in time: from timeline ${before} to ${now}, whose first batch is of ${sealedAt.toISOString()}.`;
  const [first] = acknowledged;
  if (first === undefined) {
    const known = lost.length === 0 ? "No archived checkpoint that is known here was lost. " : "";
    return `${what} ${known}It is not acknowledged: run "audit acknowledge-failover" with the archived checkpoints.`;
  }
  const each = acknowledged.map(
    ({ operator, at, checkpoints, events }) =>
      `${counted(checkpoints, "checkpoint")} with ${counted(events, "event")} lost, acknowledged by operator ${operator} on ${at.toISOString()}.`,
  );
  return [what, ...each].join(" ");
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** What a finding says of an archived checkpoint that is not there. */
export function lostSentence({ batch }: LoggedCheckpoint, { after }: Pick<Failover, "after">): string {
  return `Batch ${batch}, whose checkpoint was archived, was lost in the failover after batch ${after.batch}, and its loss is not acknowledged.`;
}
