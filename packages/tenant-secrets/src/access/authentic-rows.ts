import { sql } from "drizzle-orm";
import { DatabaseError, type Authenticated, type Database, type Statements } from "@repo/db";
import { z } from "zod";
import type { AuditLog } from "@repo/audit-log";
import { systemCaller, TenantSecretsError } from "@repo/catalog";
import { isGenuineRow, type RowKey, rowMac, rowName, type RowState } from "@repo/envelope";
import type { RaiseAlarm } from "./alarms.ts";

export interface ActiveRowKeys {
  /** The one that new and changed rows get their MACs under. */
  readonly active: RowKey;
  /** By their numbers, all whose MACs count: while the active one is new, the one before is among them. */
  readonly accepted: ReadonlyMap<number, RowKey>;
}

/** The keys that rows have their MACs under. */
export interface RowKeys {
  /** @throws {TenantSecretsError} what loading keys throws */
  load(): Promise<ActiveRowKeys>;
  /** The key of a number; undefined where its MACs do not count, or not any more. @throws as `load` */
  find(keyVersion: number): Promise<RowKey | undefined>;
  /** Asks again which keys count: another process may have changed them. */
  invalidate(): void;
}

/** For one transaction, with the keys that were loaded before it. */
export interface RowWriter {
  /** What is written beside what a row says now. The row is locked, or is being made. */
  seal(row: RowState): Promise<Authenticated>;
  /**
   * What is written beside a row that is revoked or disabled, whoever wrote it. One that another party wrote gets a later
   * revision and no MAC: the state before, put back with the MAC that it had, is older than the audit log then.
   *
   * @param closed what the row says from now on
   */
  close(closed: RowState, isGenuine: boolean): Promise<Authenticated>;
  /** Before a row is changed: one that another party wrote gets no MAC of ours. That there is one is an alarm. */
  isGenuine(row: RowState, beside: Authenticated): boolean;
  /** As `isGenuine`. @throws {TenantSecretsError} INTEGRITY_FAILURE */
  require(row: RowState, beside: Authenticated): void;
}

/**
 * The rows that decide who may read: companies, API keys, operators, users and memberships. A process that writes one makes a
 * MAC over what it says, under a key that the database has only wrapped, and a row without the right one counts for nothing.
 */
export interface AuthenticRows {
  /**
   * Whether a row is as one of our processes wrote it. That it is not is an event and an alarm.
   *
   * @throws {TenantSecretsError} what loading keys throws, and AUDIT_UNAVAILABLE
   */
  accepts(row: RowState, beside: Authenticated): Promise<boolean>;
  /**
   * One transaction that makes or changes such rows. It may run twice, where the key was replaced meanwhile.
   *
   * @throws {DatabaseError} what the database did; what `work` throws, and what loading keys throws
   */
  change<T>(work: (statements: Statements, rows: RowWriter) => Promise<T>): Promise<T>;
}

const checker = systemCaller("row-check", { verbs: [], secretKeys: [] });
const Revision = z.tuple([z.object({ revision: z.coerce.number() })]);
/** PostgreSQL's object_not_in_prerequisite_state: the key of the MAC is not the one in use any more (rows.sql). */
const notActive = "55000";
const noMac = Buffer.alloc(0);

/** @param onAlarm told of a row that is not genuine, at each use of it */
export function createAuthenticRows(
  { database, audit }: { readonly database: Database; readonly audit: AuditLog },
  keys: RowKeys,
  onAlarm: RaiseAlarm,
): AuthenticRows {
  const alarm = (row: RowState): void => onAlarm(notGenuine(rowName(row)));

  /** @param isRetry whether the keys were just loaded again, so that one that is not among them does not count */
  const writerOf = (statements: Statements, keysOfNow: ActiveRowKeys, isRetry: boolean): RowWriter => {
    const { active, accepted } = keysOfNow;
    const isGenuine = (row: RowState, beside: Authenticated): boolean => {
      const key = accepted.get(beside.macKeyVersion);
      if (key === undefined && !isRetry) throw new UnknownKey();
      if (key !== undefined && isGenuineRow(key, row, beside)) return true;
      alarm(row);
      return false;
    };
    const seal = async (row: RowState): Promise<Authenticated> => {
      const rows = await statements.execute(sql`select nextval('row_revisions') as revision`);
      const [{ revision }] = Revision.parse(Array.from(rows));
      return { revision, macKeyVersion: active.keyVersion, mac: rowMac(active, row, revision) };
    };
    return {
      isGenuine,
      require: (row, beside) => {
        if (!isGenuine(row, beside)) throw notGenuine(rowName(row));
      },
      seal,
      close: async (closed, isGenuineNow) => {
        const beside = await seal(closed);
        return isGenuineNow ? beside : { ...beside, mac: noMac };
      },
    };
  };

  return {
    accepts: async (row, beside) => {
      const key = await keys.find(beside.macKeyVersion);
      if (key !== undefined && isGenuineRow(key, row, beside)) return true;
      alarm(row);
      await audit.record(checker, {
        action: "row.check",
        outcome: "failed",
        reason: "INTEGRITY_FAILURE",
        ...subjectOf(row),
      });
      return false;
    },
    change: async (work) => {
      const once = async (isRetry: boolean) => {
        await audit.ready();
        const keysOfNow = await keys.load();
        return database.acrossCompanies((statements) =>
          work(statements, writerOf(statements, keysOfNow, isRetry)),
        );
      };
      try {
        return await once(false);
      } catch (error) {
        const isOutdated =
          error instanceof UnknownKey || (error instanceof DatabaseError && error.code === notActive);
        if (!isOutdated) throw error;
      }
      keys.invalidate();
      return once(true);
    },
  };
}

/** A row has its MAC under a key that was not among those that were loaded: it is newer than they are, or made up. */
class UnknownKey extends Error {}

/** As an event names it. */
function subjectOf(row: RowState): { readonly companyId?: string; readonly subject?: string } {
  switch (row.kind) {
    case "company":
      return { companyId: row.id };
    case "membership":
      return { companyId: row.companyId, subject: row.userId };
    case "api-key":
      return row.companyId === null ? { subject: row.id } : { companyId: row.companyId, subject: row.id };
    case "operator":
    case "user":
      return { subject: row.id };
  }
}

function notGenuine(name: string): TenantSecretsError {
  return new TenantSecretsError(
    "INTEGRITY_FAILURE",
    `The row ${name}, which decides who may read, was not written by this deployment, or was changed since: it counts for nothing. Look for who writes to the database; \`audit verify\` names every such row.`,
  );
}
