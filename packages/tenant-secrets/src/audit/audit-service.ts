import { and, asc, desc, eq, lt } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import {
  type AuditKey,
  type EventRow,
  exportPage,
  firstLine,
  readPublicKeys,
  type RecordVerification,
  type SigningKey,
  type VerifyOptions,
  verifyRecord,
} from "@repo/audit-log";
import { type Caller, type CompanyId, TenantSecretsError } from "@repo/catalog";
import { audited, type Across, type Operations } from "../access/operation.ts";
import type { RowKeys } from "../access/authentic-rows.ts";
import { companyIdOf } from "../companies/company-id.ts";
import type { Companies } from "../companies/companies.ts";
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
  readonly operations: Operations;
  readonly companies: Pick<Companies, "resolve">;
  readonly loadMacKey: (no?: number) => Promise<AuditKey>;
  readonly rowKeys: RowKeys;
  readonly companyKeys: CompanyKeys;
  readonly loadSigningKey: (no?: number) => Promise<SigningKey>;
}

export function createRecordReader({
  database,
  operations,
  companies,
  loadMacKey,
  rowKeys,
  companyKeys,
  loadSigningKey,
}: Dependencies): RecordReader {
  return {
    list: async (caller, { company: subdomain, cursor, limit = 50 }) => {
      const asked = { caller, action: "record.list", verb: "audit" } as const;
      const company =
        subdomain === undefined ? undefined : (await companies.resolve(asked, subdomain)).company;
      const to = company === undefined ? "read the record of the platform" : "read the record";
      return operations.read({ ...asked, company, to }, async (across) => {
        if (!Number.isInteger(limit) || limit < 1 || limit > 100) {
          throw new TenantSecretsError("INVALID_INPUT", "A page has 1 to 100 events.");
        }
        const key = await loadMacKey();
        const scope = ["list", company?.id ?? ""];
        const after = cursor === undefined ? undefined : readCursor(key, scope, cursor);
        const rows = await (company === undefined
          ? across((statements) => selectAll(statements, after, limit + 1))
          : database.inCompany(company.id, (statements) =>
              selectOfCompany(statements, company.id, { after, limit: limit + 1 }),
            ));
        const events = rows.slice(0, limit);
        const last = rows.length > limit ? events.at(-1) : undefined;
        const page = {
          events: events.map(({ event }) => event),
          cursor: last === undefined ? undefined : cursorOf(key, scope, last.place),
        };
        return audited(page, {});
      });
    },

    export: async (caller, { company: subdomain, from, to, cursor }) => {
      const asked = { caller, action: "record.export", verb: "audit" } as const;
      const { company } = await companies.resolve(asked, subdomain);
      return operations.read({ ...asked, company, to: "read the record" }, async () => {
        const key = await loadMacKey();
        const scope = ["export", company.id, from.toISOString(), to.toISOString()];
        const after = cursor === undefined ? 0n : BigInt(readCursor(key, scope, cursor));
        const { lines, unsealed, last } = await exportPage(database, company.id, { from, to }, after);
        const page = {
          lines: cursor === undefined ? [firstLine(company.id, from, to), ...lines] : lines,
          unsealed,
          cursor: last === undefined ? undefined : cursorOf(key, scope, String(last)),
        };
        return audited(page, {});
      });
    },

    verify: (caller, { publicKeys, ...options }) =>
      operations.read({ caller, action: "record.verify", ...toCheck }, async (across) => {
        const given = publicKeys === undefined ? undefined : readPublicKeys(publicKeys);
        const macKeys = await selectKeyNumbers(across, "mac");
        const signingKeys = await selectKeyNumbers(across, "signing");
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
        return audited(verification, isSound ? {} : { outcome: "failed", reason: "INTEGRITY_FAILURE" });
      }),

    publicKeys: (caller) =>
      operations.read({ caller, action: "key.public-key", ...toCheck }, async (across) => {
        // Made on first use.
        await loadSigningKey();
        const numbers = await selectKeyNumbers(across, "signing");
        const keys = await Promise.all(numbers.map((no) => loadSigningKey(no)));
        return audited(keys.map(({ publicKey }) => publicKey).join(""), {});
      }),
  };
}

const toCheck = { verb: "audit", to: "check the record" } as const;

/** An event, and where it is in the list that it is from. */
interface ListedEvent {
  readonly event: RecordedEvent;
  readonly place: string;
}

/** Of all companies and of none, by the times that are in their ids. */
async function selectAll(
  statements: Statements,
  after: string | undefined,
  limit: number,
): Promise<ListedEvent[]> {
  const rows = await statements
    .select(shown)
    .from(auditEvents)
    .where(after === undefined ? undefined : lt(auditEvents.id, after))
    .orderBy(desc(auditEvents.id))
    .limit(limit);
  return rows.map((event) => ({ event, place: event.id }));
}

/** Of one company, in the order of their arrival. */
async function selectOfCompany(
  statements: Statements,
  company: CompanyId,
  { after, limit }: { readonly after: string | undefined; readonly limit: number },
): Promise<ListedEvent[]> {
  const { position } = auditEvents;
  const isOlder = after === undefined ? undefined : lt(position, BigInt(after));
  const rows = await statements
    .select({ ...shown, position })
    .from(auditEvents)
    .where(and(eq(auditEvents.companyId, company), isOlder))
    .orderBy(desc(position))
    .limit(limit);
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
async function selectKeyNumbers(across: Across, purpose: "mac" | "signing"): Promise<number[]> {
  const rows = await across((statements) =>
    statements
      .select({ no: auditKeys.no })
      .from(auditKeys)
      .where(eq(auditKeys.purpose, purpose))
      .orderBy(asc(auditKeys.no)),
  );
  return rows.map(({ no }) => no);
}
