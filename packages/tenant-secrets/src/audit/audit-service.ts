import { and, asc, desc, eq, lt } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import {
  type AuditKey,
  type AuditLog,
  type EventRow,
  exportPage,
  firstLine,
  onDatabase,
  readPublicKeys,
  type RecordVerification,
  type SigningKey,
  type VerifyOptions,
  verifyRecord,
} from "@repo/audit-log";
import { type Caller, type CompanyId, forbidden, TenantSecretsError } from "@repo/catalog";
import { perform, refuse } from "../access/attempt.ts";
import { permitsOnPlatform } from "../access/permissions.ts";
import type { RowKeys } from "../companies/authentic-rows.ts";
import { companyIdOf } from "../companies/company-id.ts";
import { enterTo, type Companies } from "../companies/companies.ts";
import type { CompanyKeys } from "../keys/company/company-keys.ts";
import { cursorOf, readCursor } from "./cursor.ts";

const { auditEvents, auditKeys } = tables;

/** The columns that are shown: not those that only prove an event. */
const shown = {
  id: auditEvents.id,
  companyId: auditEvents.companyId,
  occurredAt: auditEvents.occurredAt,
  actorKind: auditEvents.actorKind,
  actorId: auditEvents.actorId,
  action: auditEvents.action,
  secretKey: auditEvents.secretKey,
  version: auditEvents.version,
  outcome: auditEvents.outcome,
  reason: auditEvents.reason,
  subject: auditEvents.subject,
  requestId: auditEvents.requestId,
  address: auditEvents.address,
  count: auditEvents.count,
  lastAt: auditEvents.lastAt,
};

export type RecordedEvent = Pick<EventRow, keyof typeof shown>;

export interface ListOptions {
  /** Of one company, by its subdomain; without it, of all of the platform. */
  readonly company?: string | undefined;
  /** From the answer before. */
  readonly cursor?: string | undefined;
  /** At most 100, and 50 where it is left out. */
  readonly limit?: number | undefined;
}

export interface EventPage {
  readonly events: readonly RecordedEvent[];
  /** For the next page; undefined where this is the last. */
  readonly cursor: string | undefined;
}

export interface ExportOptions {
  readonly company: string;
  /** Events that happened from then on, and before `to`. */
  readonly from: Date;
  readonly to: Date;
  /** From the answer before. */
  readonly cursor?: string | undefined;
}

export interface ExportedPage {
  /** Each a JSON text. Those of all pages, one after the other, are the export; see docs/audit-log.md. */
  readonly lines: readonly string[];
  /** Events that were left out because no batch has them yet: they are sealed within seconds. */
  readonly unsealed: number;
  readonly cursor: string | undefined;
}

export interface VerifyRecordOptions extends VerifyOptions {
  /** PEM: holds the signatures to these keys, and not to whatever keys this deployment has now. */
  readonly publicKeys?: string | undefined;
}

/** The record, for whoever may read it. */
export interface RecordReader {
  /** The newest events first. @throws {TenantSecretsError} NOT_FOUND, FORBIDDEN, INVALID_INPUT */
  list(caller: Caller, options: ListOptions): Promise<EventPage>;
  /**
   * A page of a company's own events with the proof of each, to be checked by `createExportVerifier` without us.
   *
   * @throws {TenantSecretsError} NOT_FOUND, FORBIDDEN, INVALID_INPUT; INTEGRITY_FAILURE where an event was changed
   */
  export(caller: Caller, options: ExportOptions): Promise<ExportedPage>;
  /**
   * Compares all of the record with its MACs, its batches and what the log kept. For operators. That it was, and whether all
   * was well, is an event.
   *
   * @throws {TenantSecretsError} FORBIDDEN, INVALID_INPUT, and what keys and database cause
   */
  verify(caller: Caller, options: VerifyRecordOptions): Promise<RecordVerification>;
  /** The public halves of all keys that ever signed, as PEM, in their order. @throws {TenantSecretsError} FORBIDDEN */
  publicKeys(caller: Caller): Promise<string>;
}

interface Dependencies {
  readonly database: Database;
  readonly companies: Companies;
  readonly audit: AuditLog;
  readonly loadMacKey: (no?: number) => Promise<AuditKey>;
  readonly rowKeys: RowKeys;
  readonly companyKeys: CompanyKeys;
  readonly loadSigningKey: (no?: number) => Promise<SigningKey>;
}

export function createRecordReader({
  database,
  companies,
  audit,
  loadMacKey,
  rowKeys,
  companyKeys,
  loadSigningKey,
}: Dependencies): RecordReader {
  const toRead = { verb: "audit", to: "read the record" } as const;

  const asOperator = <T>(
    caller: Caller,
    action: "record.verify" | "key.public-key",
    work: () => Promise<T>,
  ): Promise<T> => {
    if (permitsOnPlatform(caller.actor, "audit")) return perform(audit, { caller, action }, work);
    return refuse(audit, { caller, action }, forbidden("check the record"));
  };

  return {
    list: async (caller, { company: subdomain, cursor, limit = 50 }) => {
      const attempt = { caller, action: "record.list" } as const;
      if (subdomain === undefined && !permitsOnPlatform(caller.actor, "audit")) {
        return refuse(audit, attempt, forbidden("read the record of the platform"));
      }
      const company =
        subdomain === undefined ? undefined : await enterTo(companies, audit, attempt, subdomain, toRead);
      return perform(audit, { ...attempt, companyId: company?.id }, async () => {
        if (!Number.isInteger(limit) || limit < 1 || limit > 100) {
          throw new TenantSecretsError("INVALID_INPUT", "A page has 1 to 100 events.");
        }
        const key = await loadMacKey();
        const scope = ["list", company?.id ?? ""];
        const after = cursor === undefined ? undefined : readCursor(key, scope, cursor);
        const rows = await (company === undefined
          ? selectAll(database, after, limit + 1)
          : selectOfCompany(database, company.id, after, limit + 1));
        await audit.add(caller, { action: attempt.action, outcome: "allowed", companyId: company?.id });
        const events = rows.slice(0, limit);
        const last = rows.length > limit ? events.at(-1) : undefined;
        return {
          events: events.map(({ event }) => event),
          cursor: last === undefined ? undefined : cursorOf(key, scope, last.place),
        };
      });
    },

    export: async (caller, { company: subdomain, from, to, cursor }) => {
      const attempt = { caller, action: "record.export" } as const;
      const company = await enterTo(companies, audit, attempt, subdomain, toRead);
      return perform(audit, { ...attempt, companyId: company.id }, async () => {
        const key = await loadMacKey();
        const scope = ["export", company.id, from.toISOString(), to.toISOString()];
        const after = cursor === undefined ? 0n : BigInt(readCursor(key, scope, cursor));
        const { lines, unsealed, last } = await exportPage(database, company.id, { from, to }, after);
        await audit.add(caller, { action: attempt.action, outcome: "allowed", companyId: company.id });
        return {
          lines: cursor === undefined ? [firstLine(company.id, from, to), ...lines] : lines,
          unsealed,
          cursor: last === undefined ? undefined : cursorOf(key, scope, String(last)),
        };
      });
    },

    verify: (caller, { publicKeys, ...options }) =>
      asOperator(caller, "record.verify", async () => {
        const given = publicKeys === undefined ? undefined : readPublicKeys(publicKeys);
        const macKeys = await selectKeyNumbers(database, "mac");
        const signingKeys = await selectKeyNumbers(database, "signing");
        const publicKeysOf = once(async (no) =>
          signingKeys.includes(no) ? readPublicKeys((await loadSigningKey(no)).publicKey) : [],
        );
        const verification = await verifyRecord(
          {
            database,
            findRowKey: (no) => rowKeys.find(no),
            openCompanyKey: (companyId, no) => companyKeys.forOpening(companyIdOf({ id: companyId }), no),
            loadMacKey: once(async (no) => (macKeys.includes(no) ? loadMacKey(no) : undefined)),
            publicKeysOf: given === undefined ? publicKeysOf : () => Promise.resolve(given),
          },
          options,
        );
        const isSound = verification.findings.length === 0;
        await audit.add(caller, {
          action: "record.verify",
          outcome: isSound ? "allowed" : "failed",
          reason: isSound ? undefined : "INTEGRITY_FAILURE",
        });
        return verification;
      }),

    publicKeys: (caller) =>
      asOperator(caller, "key.public-key", async () => {
        // Made on first use.
        await loadSigningKey();
        const numbers = await selectKeyNumbers(database, "signing");
        const keys = await Promise.all(numbers.map((no) => loadSigningKey(no)));
        await audit.add(caller, { action: "key.public-key", outcome: "allowed" });
        return keys.map(({ publicKey }) => publicKey).join("");
      }),
  };
}

/** An event, and where it is in the list that it is from. */
interface ListedEvent {
  readonly event: RecordedEvent;
  readonly place: string;
}

/** Of all companies and of none, by the times that are in their ids. */
async function selectAll(
  database: Database,
  after: string | undefined,
  limit: number,
): Promise<ListedEvent[]> {
  const rows = await onDatabase(() =>
    database.acrossCompanies((statements) =>
      statements
        .select(shown)
        .from(auditEvents)
        .where(after === undefined ? undefined : lt(auditEvents.id, after))
        .orderBy(desc(auditEvents.id))
        .limit(limit),
    ),
  );
  return rows.map((event) => ({ event, place: event.id }));
}

/** Of one company, in the order of their arrival. */
async function selectOfCompany(
  database: Database,
  company: CompanyId,
  after: string | undefined,
  limit: number,
): Promise<ListedEvent[]> {
  const { position } = auditEvents;
  const rows = await onDatabase(() =>
    database.inCompany(company, (statements) =>
      statements
        .select({ ...shown, position })
        .from(auditEvents)
        .where(
          and(
            eq(auditEvents.companyId, company),
            after === undefined ? undefined : lt(position, BigInt(after)),
          ),
        )
        .orderBy(desc(position))
        .limit(limit),
    ),
  );
  return rows.map(({ position: place, ...event }) => ({ event, place: String(place) }));
}

/** Asks for each number once. */
function once<T>(load: (no: number) => Promise<T>): (no: number) => Promise<T> {
  const known = new Map<number, Promise<T>>();
  return (no) => {
    const loading = known.get(no) ?? load(no);
    known.set(no, loading);
    return loading;
  };
}

/** The numbers of the keys that there are: one that only an event or a head names proves nothing. */
async function selectKeyNumbers(database: Database, purpose: "mac" | "signing"): Promise<number[]> {
  const rows = await onDatabase(() =>
    database.acrossCompanies((statements) =>
      statements
        .select({ no: auditKeys.no })
        .from(auditKeys)
        .where(eq(auditKeys.purpose, purpose))
        .orderBy(asc(auditKeys.no)),
    ),
  );
  return rows.map(({ no }) => no);
}
