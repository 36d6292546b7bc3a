import { createHmac, randomBytes, timingSafeEqual, type KeyObject } from "node:crypto";
import type { Statements, tables } from "@repo/db";
import type { Actor, Caller, CheckResult, ErrorCode, RevealPurpose, Role } from "@repo/catalog";
import { encodeFields } from "@repo/envelope";
import type { SequenceNumber } from "./sequence.ts";
import { uuidv7 } from "./uuid.ts";

export type AuditAction =
  | "secret.read"
  | "secret.list"
  | "secret.write"
  | "secret.remove"
  | "secret.restore"
  | "secret.import"
  | "secret.backfill"
  | "secret.compare"
  | "secret.reveal"
  | "secret.search"
  | "secret.stage"
  | "secret.promote"
  | "secret.discard"
  | "secret.rollback"
  | "secret.purge"
  | "secret.history"
  | "secret.set-expiry"
  | "secret.check"
  | "secret.export"
  | "secret.expires-soon"
  | "secret.expired"
  | "secret.destroy-versions"
  | "company.create"
  | "company.list"
  | "company.rename"
  | "company.set-recovery"
  | "company.set-store"
  | "api-key.create"
  | "api-key.list"
  | "api-key.revoke"
  | "member.list"
  | "member.add"
  | "member.change"
  | "member.remove"
  | "user.disable"
  | "user.enable"
  | "audit.list"
  | "audit.verify"
  | "audit.export"
  | "audit.unused-sequence-numbers"
  | "audit.prune"
  | "operator.create"
  | "operator.list"
  | "operator.revoke"
  | "credential.check"
  | "row.check"
  | "call.limit"
  | "key.backup"
  | "key.restore"
  | "key.check-backup"
  | "key.create"
  | "key.rotate"
  | "key.activate"
  | "key.retire"
  | "key.destroy"
  | "key.rotate-company"
  | "key.destroy-company"
  | "key.rotate-audit"
  | "key.rotate-rows"
  | "key.emergency-rotate"
  | "key.status"
  | "key.report"
  | "key.verify-report"
  | "key.shred"
  | "key.shred-folder"
  | "key.shred-receipt"
  | "key.public-key"
  | "run.list"
  | "run.get"
  | "run.pause"
  | "run.resume"
  | "run.cancel";

/**
 * `attempted` stands before a call that cannot commit together with its event; another event follows it. `unknown`: a
 * change whose answer was lost, so that it may have been made.
 */
export type AuditOutcome = "success" | "denied" | "attempted" | "failed" | "unknown";

export interface AuditEntry {
  readonly action: AuditAction;
  readonly outcome: AuditOutcome;
  /** Left out where no company is known: a refusal is filed under the actor's own, where it has one. */
  readonly companyId?: string | undefined;
  readonly secretKey?: string | undefined;
  readonly version?: number | undefined;
  /** What went wrong; of a reveal or an export its purpose; of a check what the provider said; of a membership the role that was given or taken. */
  readonly reason?:
    | ErrorCode
    | "REPLAYED"
    | "TWINS_REPLACED"
    | "NOT_APPLIED"
    | RevealPurpose
    | CheckResult
    | Role
    | undefined;
  /** When it happened by the database's clock, where that is compared with rows. Left out, the process's time. */
  readonly occurredAt?: Date | undefined;
  /** The id of the API key, operator, user, company or run that was acted on. Where such a row was changed, `version` is its new revision. */
  readonly subject?: string | undefined;
}

/** Who an event is about: a caller, or somebody whose credential was not accepted. */
export interface AuditSubject extends Omit<Caller, "actor"> {
  readonly actor: Actor | { readonly kind: "anonymous"; readonly id: string };
}

export interface AuditKey {
  readonly keyVersion: number;
  readonly macKey: KeyObject;
}

type EventRow = typeof tables.auditEvents.$inferSelect;
type MacFields = Omit<EventRow, "xid" | "position" | "mac">;
export type NewEvent = Omit<EventRow, "xid" | "position">;

/** The record. An event is made and its MAC computed by the process that saw it; the database adds nothing to it. */
export interface AuditLog {
  /**
   * Adds an event, or several in one statement, inside the transaction of the change that they are about: all commit, or none.
   * Every event that commits with a change comes this way.
   */
  recordInTransaction(
    statements: Statements,
    caller: AuditSubject,
    entries: AuditEntry | readonly AuditEntry[],
  ): Promise<void>;
  /**
   * Adds an event on its own, and resolves once it is committed; but of attempts that are alike, and that were refused, failed
   * or only listed something, only the first twenty in a minute. Any other is counted, and its count committed within five
   * seconds.
   *
   * @throws {TenantSecretsError} AUDIT_UNAVAILABLE: what was about to be answered must not be; before the audit log's key is
   *   at hand, whatever loading it throws
   */
  record(caller: AuditSubject, entry: AuditEntry): Promise<void>;
  /**
   * Takes an event that is committed within a quarter of a second, with others: for what is frequent, and changes nothing.
   * Those of one actor, address, company, secret and version become one event with their number, and with the request id if
   * it is the same for all. Nothing of it is lost while the database is away; a process that is killed loses what it took
   * since its last commit.
   *
   * @throws {TenantSecretsError} AUDIT_UNAVAILABLE when too many wait already, or after `stop`; as `add` for the key
   */
  recordBatched(caller: AuditSubject, entry: AuditEntry): Promise<void>;
  /**
   * For what is noted again and again, and waits for nothing: as `note` of the same each time that it is called.
   *
   * @returns a function that says whether the event was taken; where it was not, `note` says why
   */
  batchedRecorder(caller: AuditSubject, entry: AuditEntry): () => boolean;
  /** Resolves once the audit log's key is at hand, so that a transaction need not wait for it. */
  ready(): Promise<void>;
  /**
   * Commits all that was taken or counted before.
   *
   * @throws {TenantSecretsError} AUDIT_UNAVAILABLE, and everything is kept for another try
   */
  flush(): Promise<void>;
  /**
   * For the end of a process, when nobody calls any more: takes nothing from now on, and tries for ten seconds to commit
   * what it has.
   *
   * @throws {TenantSecretsError} as `flush`; what is left then is lost with the process
   */
  stop(): Promise<void>;
}

/** An event that the database can never take, such as a text that no column holds. Its number is in a gap. */
export interface LostEvent {
  readonly action: string;
  /** SQLSTATE. */
  readonly code: string;
}

/** Answers with names and dates, never with a value, and is asked for again and again. */
const listings: ReadonlySet<AuditAction> = new Set([
  "secret.list",
  "secret.history",
  "company.list",
  "api-key.list",
  "member.list",
  "operator.list",
  "audit.list",
  "key.status",
  "key.report",
  "key.verify-report",
  "key.public-key",
  "run.list",
  "run.get",
] as const);

/** Whether events like it are counted together where there are too many of them. */
export function isCoalesced({ action, outcome }: AuditEntry): boolean {
  return outcome === "denied" || outcome === "failed" || (outcome === "success" && listings.has(action));
}

/** What an event says, before it has a number and a MAC. */
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

/** When it happened: once, or `count` times from `occurredAt` to `lastAt`. */
export type EventTimes = Pick<EventRow, "occurredAt" | "count" | "lastAt">;

export const nonceBytes = 16;

export function eventOf(
  key: AuditKey,
  { writer, sequenceNo }: SequenceNumber,
  content: EventContent,
  times: EventTimes = { occurredAt: new Date(), count: 1, lastAt: null },
  nonce: Buffer = randomBytes(nonceBytes),
): NewEvent {
  const { actorId, secretKey, version, subject, requestId, address } = content;
  const event: MacFields = {
    ...content,
    ...times,
    id: uuidv7(times.occurredAt.getTime()),
    actorId: printable(actorId),
    secretKey: secretKey === null ? null : printable(secretKey),
    // A number that was made up by a caller, and that the column does not hold, must not keep its event out.
    version: version !== null && Number.isInteger(version) && Math.abs(version) < 2 ** 31 ? version : null,
    subject: subject === null ? null : printable(subject),
    requestId: requestId === null ? null : printable(requestId),
    address: address === null ? null : printable(address),
    writerId: writer.id,
    sequenceNo,
    nonce,
    macKeyVersion: key.keyVersion,
  };
  return { ...event, mac: macOf(key.macKey, event) };
}

/** Whether an event is as its writer left it. */
export function isGenuine(key: AuditKey, event: MacFields & Pick<EventRow, "mac">): boolean {
  return event.macKeyVersion === key.keyVersion && timingSafeEqual(macOf(key.macKey, event), event.mac);
}

function macOf(key: KeyObject, event: MacFields): Buffer {
  return createHmac("sha256", key)
    .update(encodeFields(macFieldsOf(event)))
    .digest();
}

/** What an event says, in the order in which its MAC is over it. Those of before there were numbers have none. */
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

/** An attempt on another company is filed under the actor's own, where whoever answers for it can see it. */
function ownCompany(actor: AuditSubject["actor"]): string | undefined {
  const own =
    actor.kind === "service" ? actor.companyIds : actor.kind === "user" ? [...actor.roles.keys()] : [];
  return own.length === 1 ? own[0] : undefined;
}

const longestText = 200;

/**
 * What came from outside cannot break a line, a terminal or a column: controls become escapes, and 200 characters are the
 * end. Cut first and made well-formed then, since a cut can part a surrogate pair, and PostgreSQL takes no half of one.
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
