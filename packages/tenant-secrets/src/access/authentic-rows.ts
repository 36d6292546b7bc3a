import { sql } from "drizzle-orm";
import { DatabaseError, type Authenticated, type Database, type Statements } from "@repo/db";
import { z } from "zod";
import type { AuditLog } from "@repo/audit-log";
import { systemCaller, TenantSecretsError } from "@repo/catalog";
import { isGenuineRow, type RowKey, rowMac, rowName, type RowState } from "@repo/envelope";
import type { RaiseAlarm } from "./alarms.ts";

export interface ActiveRowKeys {
  /** Computes the MACs of new and changed rows. */
  readonly active: RowKey;
  /** All accepted keys by version: during a rotation, the previous one is among them. */
  readonly accepted: ReadonlyMap<number, RowKey>;
}

/** The MAC keys of rows. */
export interface RowKeys {
  /** @throws {TenantSecretsError} as the loading of keys does */
  load(): Promise<ActiveRowKeys>;
  /** A key by version; undefined if it is not, or no longer, accepted. @throws as `load` */
  find(keyVersion: number): Promise<RowKey | undefined>;
  /** Reloads the keys at the next use: another process may have changed them. */
  invalidate(): void;
}

/** Computes and checks MACs within one transaction, with the keys loaded before it. */
export interface RowWriter {
  /** Computes the MAC columns of a row, which is locked or being inserted. */
  seal(row: RowState): Promise<Authenticated>;
  /**
   * Computes the MAC columns of a row that is being revoked or disabled. A row that is not genuine gets a later revision and no
   * MAC: its earlier state with a valid MAC, if restored, is then older than the audit log says.
   *
   * @param closed the row's new state
   */
  close(closed: RowState, isGenuine: boolean): Promise<Authenticated>;
  /** Checks a row before a change: a row that is not genuine must not get a MAC. Raises an alarm if it is not. */
  isGenuine(row: RowState, beside: Authenticated): boolean;
  /** As `isGenuine`. @throws {TenantSecretsError} INTEGRITY_FAILURE */
  require(row: RowState, beside: Authenticated): void;
}

/**
 * The rows that decide who may read: companies, API keys, operators, users and memberships. Each has a MAC over its content,
 * under a key that the database holds only wrapped. A row without a valid MAC is ignored.
 */
export interface AuthenticRows {
  /**
   * Whether a row has a valid MAC. If not, an event and an alarm are raised.
   *
   * @throws {TenantSecretsError} as the loading of keys does; AUDIT_UNAVAILABLE
   */
  accepts(row: RowState, beside: Authenticated): Promise<boolean>;
  /**
   * Runs one transaction that inserts or changes such rows. Runs it a second time if the key was rotated meanwhile.
   *
   * @throws {DatabaseError} from the database; the errors of `work` and of loading keys
   */
  change<T>(work: (statements: Statements, rows: RowWriter) => Promise<T>): Promise<T>;
}

const checker = systemCaller("row-check", { verbs: [], secretKeys: [] });
const Revision = z.tuple([z.object({ revision: z.coerce.number() })]);
/** PostgreSQL's object_not_in_prerequisite_state: the MAC's key is no longer active (rows.sql). */
const notActive = "55000";
const noMac = Buffer.alloc(0);

/** @param onAlarm called at each use of a row that is not genuine */
export function createAuthenticRows(
  { database, audit }: { readonly database: Database; readonly audit: AuditLog },
  keys: RowKeys,
  onAlarm: RaiseAlarm,
): AuthenticRows {
  const alarm = (row: RowState): void => onAlarm(notGenuine(rowName(row)));

  /** @param isRetry whether the keys were just reloaded, so that an unknown key means a row that is not genuine */
  const writerOf = (statements: Statements, currentKeys: ActiveRowKeys, isRetry: boolean): RowWriter => {
    const { active, accepted } = currentKeys;
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
        const currentKeys = await keys.load();
        return database.acrossCompanies((statements) =>
          work(statements, writerOf(statements, currentKeys, isRetry)),
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

/** A row's MAC names a key that was not loaded: a newer one, or a forgery. */
class UnknownKey extends Error {}

/** The row's company and subject in an event. */
function subjectOf(row: RowState): { readonly companyId?: string; readonly subject?: string } {
  switch (row.kind) {
    case "company":
      return { companyId: row.id };
    case "membership":
      return { companyId: row.companyId, subject: row.userId };
    case "api-key":
      return row.companyId === null ? { subject: row.id } : { companyId: row.companyId, subject: row.id };
    case "invitation":
      return { companyId: row.companyId, subject: row.id };
    case "company-region":
      return { companyId: row.companyId, subject: row.region };
    case "region":
      return { subject: row.region };
    case "operator":
    case "user":
    case "approval":
      return { subject: row.id };
  }
}

function notGenuine(name: string): TenantSecretsError {
  return new TenantSecretsError(
    "INTEGRITY_FAILURE",
    `The row ${name}, which decides who may read, was not written by this deployment, or was changed since: it is ignored. Find out who writes to the database; \`audit verify\` lists every such row.`,
  );
}
