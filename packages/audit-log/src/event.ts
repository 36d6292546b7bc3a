import { createHmac, randomBytes, type KeyObject } from "node:crypto";
import type { Statements, tables } from "@repo/db";
import type {
  Actor,
  Caller,
  CheckResult,
  ErrorCode,
  RevealPurpose,
  Role,
  RotationReason,
} from "@repo/catalog";
import { encodeFields, sameBytes } from "@repo/envelope";
import type { AuditAction } from "./actions.ts";
import type { SequenceNumber } from "./sequence.ts";
import { uuidv7 } from "./uuid.ts";

/**
 * `attempted` precedes a call that cannot commit with its event, and another event follows it. `unknown` is a change whose
 * answer was lost: it may have been made.
 */
export type AuditOutcome = "success" | "denied" | "attempted" | "failed" | "unknown";

export interface AuditEntry {
  readonly action: AuditAction;
  readonly outcome: AuditOutcome;
  /** Left out where no company is known. The event is then filed under the actor's company, where it has exactly one. */
  readonly companyId?: string | undefined;
  readonly secretKey?: string | undefined;
  readonly version?: number | undefined;
  /** The error; the purpose of a reveal or an export; the result of a check; the role that a membership got or lost; a new store; whether a folder is a mirror; what a move did not bring. */
  readonly reason?:
    | ErrorCode
    | "REPLAYED"
    | "TWINS_REPLACED"
    | "NOT_APPLIED"
    | "TO_INFISICAL"
    | "TO_HYBRID"
    | "TO_DATABASE"
    | "EXTERNAL_KEY_DENIED"
    | "EXTERNAL_KEY_WRONG"
    | "EXTERNAL_KEY_DOWN"
    | "MIRROR_ON"
    | "MIRROR_OFF"
    | "ENDPOINT_GONE"
    | "ENDPOINT_FAILS"
    | "ENDPOINT_ADDRESS"
    | "NOT_ALL_DONE"
    | "NOT_TAKEN"
    | "LOST"
    | RotationReason
    | RevealPurpose
    | CheckResult
    | Role
    | undefined;
  /** By the database's clock, for events that are compared with rows. Default: the time of the process. */
  readonly occurredAt?: Date | undefined;
  /** The id of the API key, operator, user, company or run, or the region of a master key. `version` is the new revision of a row that was changed. */
  readonly subject?: string | undefined;
}

/** The actor of an event: a caller, or the holder of a credential that was not accepted. */
export interface AuditSubject extends Omit<Caller, "actor"> {
  readonly actor: Actor | { readonly kind: "anonymous"; readonly id: string };
}

export interface AuditKey {
  readonly keyVersion: number;
  readonly macKey: KeyObject;
}

type EventRow = typeof tables.auditEvents.$inferSelect;
type MacFields = Omit<EventRow, "xid" | "position" | "mac">;
export type NewEvent = Omit<EventRow, "xid" | "position" | "action"> & Pick<EventContent, "action">;

/** The audit log. The process that an event happens in makes the event and its MAC; the database adds only its position. */
export interface AuditLog {
  /**
   * Adds the events of a change in the transaction of the change, in one statement. All commit, or none does. Every event that
   * commits with a change comes this way.
   */
  recordInTransaction(
    statements: Statements,
    caller: AuditSubject,
    entries: AuditEntry | readonly AuditEntry[],
  ): Promise<void>;
  /**
   * Commits an event of its own before it resolves. Denials, failures and lists that are alike are limited: the first twenty
   * in a minute have events of their own, the others are counted together and committed within five seconds.
   *
   * @throws {TenantSecretsError} AUDIT_UNAVAILABLE: the operation must not be answered; while the key is not loaded, also
   *   what loading it throws
   */
  record(caller: AuditSubject, entry: AuditEntry): Promise<void>;
  /**
   * Queues an event, which is committed with others within a quarter of a second. For frequent reads. Events of one actor,
   * address, company, secret and version become one with a count; it has the request id where all have the same. The queue
   * outlasts an outage of the database. A process that is killed loses the events since its last commit.
   *
   * @throws {TenantSecretsError} AUDIT_UNAVAILABLE where the queue is full, or after `stop`; as `record` for the key
   */
  recordBatched(caller: AuditSubject, entry: AuditEntry): Promise<void>;
  /**
   * As `recordBatched`, for one event that repeats, without waiting.
   *
   * @returns a function that queues the event once more, and says whether it could; `recordBatched` throws the reason
   */
  batchedRecorder(caller: AuditSubject, entry: AuditEntry): () => boolean;
  /** Loads the key of the audit log, which `recordInTransaction` needs: nothing is loaded inside a transaction. */
  ready(): Promise<void>;
  /**
   * Commits the queued and the counted events.
   *
   * @throws {TenantSecretsError} AUDIT_UNAVAILABLE. The events stay queued
   */
  flush(): Promise<void>;
  /**
   * For the end of a process: queues nothing from now on, and tries for ten seconds to commit the queue.
   *
   * @throws {TenantSecretsError} as `flush`. The events that are left are lost with the process
   */
  stop(): Promise<void>;
}

/** An event that the database refuses for its content. Its sequence number is reported as unused. */
export interface LostEvent {
  readonly action: string;
  /** SQLSTATE. */
  readonly code: string;
}

/** Reads that answer without a value and are frequent. */
const listings: ReadonlySet<AuditAction> = new Set([
  "secret.list",
  "secret.history",
  "company.list",
  "api-key.list",
  "member.list",
  "invitation.list",
  "operator.list",
  "approval.list",
  "session.list",
  "audit.list",
  "audit.summary",
  "audit.proof",
  "key.status",
  "key.report",
  "key.verify-report",
  "key.public-key",
  "run.list",
  "run.get",
  "rotation.list",
  "webhook.list",
  "webhook.log",
] as const);

/** Whether too many events like this one are counted together. */
export function isCoalesced({ action, outcome }: AuditEntry): boolean {
  return outcome === "denied" || outcome === "failed" || (outcome === "success" && listings.has(action));
}

/** The content of an event, without its sequence number and its MAC. */
export interface EventContent extends Pick<
  EventRow,
  "actorKind" | "actorId" | "companyId" | "secretKey" | "version" | "subject" | "requestId" | "address"
> {
  readonly action: AuditAction;
  readonly outcome: AuditOutcome;
  readonly reason: string | null;
}

export function contentOf(caller: AuditSubject, entry: AuditEntry): EventContent {
  return {
    companyId: entry.companyId ?? ownCompany(caller.actor) ?? null,
    actorKind: caller.actor.kind,
    actorId: caller.actor.id,
    action: entry.action,
    secretKey: entry.secretKey ?? null,
    version: entry.version ?? null,
    outcome: entry.outcome,
    reason: entry.reason ?? null,
    subject: entry.subject ?? null,
    requestId: caller.requestId ?? null,
    address: caller.address ?? null,
  };
}

/** The time of one event, or of `count` events from `occurredAt` to `lastAt`. */
export type EventTimes = Pick<EventRow, "occurredAt" | "count" | "lastAt">;

export const nonceBytes = 16;

export function eventOf(
  key: AuditKey,
  { writer, sequenceNo }: SequenceNumber,
  {
    content,
    times = { occurredAt: new Date(), count: 1, lastAt: null },
    nonce = randomBytes(nonceBytes),
  }: { readonly content: EventContent; readonly times?: EventTimes; readonly nonce?: Buffer },
): NewEvent {
  const { actorId, secretKey, version, subject, requestId, address } = content;
  const event = {
    ...content,
    ...times,
    id: uuidv7(times.occurredAt.getTime()),
    actorId: printable(actorId),
    secretKey: secretKey === null ? null : printable(secretKey),
    // A caller can make up a version that the column does not hold. Its event must be recorded all the same.
    version: version !== null && Number.isInteger(version) && Math.abs(version) < 2 ** 31 ? version : null,
    subject: subject === null ? null : printable(subject),
    requestId: requestId === null ? null : printable(requestId),
    address: address === null ? null : printable(address),
    writerId: writer.id,
    sequenceNo,
    nonce,
    macKeyVersion: key.keyVersion,
  } satisfies MacFields;
  return { ...event, mac: macOf(key.macKey, event) };
}

/** Whether the MAC of an event is its writer's. */
export function isGenuine(key: AuditKey, event: MacFields & Pick<EventRow, "mac">): boolean {
  return event.macKeyVersion === key.keyVersion && sameBytes(macOf(key.macKey, event), event.mac);
}

function macOf(key: KeyObject, event: MacFields): Buffer {
  return createHmac("sha256", key)
    .update(encodeFields(macFieldsOf(event)))
    .digest();
}

/** The fields of an event in the order of its MAC. Format 1, without a writer, is older than sequence numbers. */
export function macFieldsOf(event: MacFields): readonly (string | Buffer)[] {
  const text = (value: string | number | Date | null): string =>
    value === null ? "" : `=${value instanceof Date ? value.toISOString() : value}`;
  return [
    `tenant-secrets/audit/${event.writerId === null ? 1 : 2}`,
    event.id,
    text(event.companyId),
    text(event.occurredAt),
    event.actorKind,
    event.actorId,
    event.action,
    text(event.secretKey),
    text(event.version),
    event.outcome,
    text(event.reason),
    text(event.subject),
    text(event.requestId),
    text(event.address),
    text(event.count),
    text(event.lastAt),
    ...(event.writerId === null ? [] : [event.writerId, text(event.sequenceNo)]),
    event.nonce,
    text(event.macKeyVersion),
  ];
}

/** The company of an actor that has exactly one: its auditors see what the actor attempts on other companies. */
function ownCompany(actor: AuditSubject["actor"]): string | undefined {
  const own =
    actor.kind === "service" ? actor.companyIds : actor.kind === "user" ? [...actor.roles.keys()] : [];
  return own.length === 1 ? own[0] : undefined;
}

/** Characters: what an event keeps of a text that a caller sent. */
const longestText = 200;

/**
 * Makes a text of a caller safe for lines, terminals and columns: control characters are escaped, and 200 characters are
 * kept. The cut comes first, because it can part a surrogate pair, and PostgreSQL refuses one half.
 */
function printable(text: string): string {
  if (/^[\x20-\x7e]{0,200}$/.test(text)) return text;
  return Array.from(text.slice(0, 2 * longestText))
    .slice(0, longestText)
    .join("")
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, (control) => {
      return `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
    });
}
