import { createHmac, randomBytes, timingSafeEqual, type KeyObject } from "node:crypto";
import { tables, type Database, type Statements } from "@repo/db";
import { encodeFields } from "../crypto/encoding.ts";
import type { Actor, Caller } from "../vocabulary/actor.ts";
import { TenantSecretsError, type ErrorCode } from "../vocabulary/errors.ts";
import { uuidv7 } from "./uuid.ts";

export type AuditAction =
  | "secret.read"
  | "secret.list"
  | "secret.write"
  | "secret.remove"
  | "secret.restore"
  | "secret.import"
  | "secret.compare"
  | "company.create"
  | "company.list"
  | "company.rename"
  | "api-key.create"
  | "api-key.list"
  | "api-key.revoke"
  | "operator.create"
  | "operator.list"
  | "operator.revoke"
  | "credential.check"
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
  | "key.rotate-record"
  | "key.compromise"
  | "key.status"
  | "key.report"
  | "key.verify-report"
  | "key.shred"
  | "key.shred-folder"
  | "key.shred-receipt"
  | "key.public-key";

/**
 * `attempted` stands before a call that cannot commit together with its event; another event follows it. `unknown`: a
 * change whose answer was lost, so that it may have been made.
 */
export type AuditOutcome = "allowed" | "refused" | "attempted" | "failed" | "unknown";

export interface AuditEntry {
  readonly action: AuditAction;
  readonly outcome: AuditOutcome;
  /** Left out where no company is known: a refusal is filed under the actor's own, where it has one. */
  readonly companyId?: string | undefined;
  readonly secretKey?: string | undefined;
  readonly version?: number | undefined;
  readonly reason?: ErrorCode | "REPLAYED" | undefined;
  /** The id of the API key, operator or company that was acted on. */
  readonly subject?: string | undefined;
}

/** Who an event is about: a caller, or somebody whose credential was not accepted. */
export interface AuditSubject extends Omit<Caller, "actor"> {
  readonly actor: Actor | { readonly kind: "anonymous"; readonly id: string };
}

export interface AuditKey {
  readonly no: number;
  readonly macKey: KeyObject;
}

type EventRow = typeof tables.auditEvents.$inferSelect;
type MacFields = Omit<EventRow, "xid" | "position" | "mac">;

/** The record. An event is made and its MAC computed by the process that saw it; the database adds nothing to it. */
export interface AuditLog {
  /** Adds an event inside the transaction of the change it is about: both commit, or neither. */
  addTo(statements: Statements, caller: AuditSubject, entry: AuditEntry): Promise<void>;
  /**
   * Adds an event on its own, and resolves once it is committed.
   *
   * @throws {TenantSecretsError} AUDIT_UNAVAILABLE: what was about to be answered must not be; before the record's key is
   *   at hand, whatever loading it throws
   */
  add(caller: AuditSubject, entry: AuditEntry): Promise<void>;
  /** Resolves once the record's key is at hand, so that a transaction need not wait for it. */
  ready(): Promise<void>;
}

/** @param loadKey the record's current MAC key; asked for at every event, so it caches */
export function createAuditLog(database: Database, loadKey: () => Promise<AuditKey>): AuditLog {
  let current: AuditKey | undefined;
  const ready = async (): Promise<AuditKey> => (current = await loadKey());
  const insert = async (
    key: AuditKey,
    statements: Statements,
    caller: AuditSubject,
    entry: AuditEntry,
  ): Promise<void> => {
    await statements.insert(tables.auditEvents).values(eventOf(key, caller, entry));
  };
  return {
    ready: async () => {
      await ready();
    },
    addTo: async (statements, caller, entry) => {
      if (current === undefined)
        throw new TenantSecretsError("INTERNAL", "The record was used before it was ready.");
      await insert(current, statements, caller, entry);
    },
    add: async (caller, entry) => {
      const key = await ready();
      try {
        await database.outsideCompanies((_, statements) => insert(key, statements, caller, entry));
      } catch {
        throw new TenantSecretsError(
          "AUDIT_UNAVAILABLE",
          "The record cannot be written to, so nothing was answered. Try again in a moment.",
          { retryAfterMs: 1000 },
        );
      }
    },
  };
}

function eventOf(key: AuditKey, caller: AuditSubject, entry: AuditEntry): MacFields & { mac: Buffer } {
  const occurredAt = new Date();
  const event: MacFields = {
    id: uuidv7(occurredAt.getTime()),
    companyId: entry.companyId ?? ownCompany(caller.actor) ?? null,
    occurredAt,
    actorKind: caller.actor.kind,
    actorId: printable(caller.actor.id),
    action: entry.action,
    secretKey: entry.secretKey === undefined ? null : printable(entry.secretKey),
    version: entry.version ?? null,
    outcome: entry.outcome,
    reason: entry.reason ?? null,
    subject: entry.subject ?? null,
    requestId: caller.requestId === undefined ? null : printable(caller.requestId),
    address: caller.address === undefined ? null : printable(caller.address),
    count: 1,
    lastAt: null,
    nonce: randomBytes(16),
    macKeyNo: key.no,
  };
  return { ...event, mac: macOf(key.macKey, event) };
}

/** Whether an event is as its writer left it. */
export function isGenuine(key: AuditKey, event: MacFields & Pick<EventRow, "mac">): boolean {
  return event.macKeyNo === key.no && timingSafeEqual(macOf(key.macKey, event), event.mac);
}

function macOf(key: KeyObject, event: MacFields): Buffer {
  const text = (value: string | number | Date | null): string =>
    value === null ? "" : `=${value instanceof Date ? value.toISOString() : value}`;
  const fields = [
    "tenant-secrets/audit/1",
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
    event.nonce,
    text(event.macKeyNo),
  ];
  return createHmac("sha256", key).update(encodeFields(fields)).digest();
}

/** An attempt on another company is filed under the actor's own, where whoever answers for it can see it. */
function ownCompany(actor: AuditSubject["actor"]): string | undefined {
  return actor.kind === "service" && actor.companyIds.length === 1 ? actor.companyIds[0] : undefined;
}

/** What came from outside cannot break a line, a terminal or a column: controls become escapes, length has an end. */
function printable(text: string): string {
  return text
    .toWellFormed()
    .slice(0, 200)
    .replaceAll(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, (control) => {
      return `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
    });
}
