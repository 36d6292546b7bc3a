import { sql as fragment } from "drizzle-orm";
import type { PostgresJsDatabase } from "drizzle-orm/postgres-js";
import type postgres from "postgres";
import type { DatabaseCall } from "./calls.ts";
import { DatabaseError } from "./errors.ts";
import { createReplaceablePool, type ReplaceablePool } from "./pool.ts";
import { fitSchema, readSchemaVersion } from "./releases/schema-state.ts";
import { assertApplicationRole } from "./roles.ts";
import { assertTakesWrites, takesWrites } from "./takes-writes.ts";
import { createShares } from "./shares.ts";

/** Runs the statements of one transaction: drizzle's builder. */
export interface Statements extends Pick<
  PostgresJsDatabase,
  "select" | "selectDistinctOn" | "insert" | "update" | "delete" | "execute"
> {
  /**
   * Calls back, once, when the transaction did not end with a COMMIT that was answered: it was undone, or it is not known
   * whether it was. At once where that is so already, and never after a COMMIT.
   */
  whenLost(callback: () => void): void;
}

export interface DatabaseOptions {
  /** The role that serves requests: neither owner, superuser nor BYPASSRLS. */
  readonly applicationUrl: string;
  /** The role that works across companies: registry of keys, companies, operators. */
  readonly maintenanceUrl: string;
  /** The role that may connect and nothing else: for processes that cache, and so have to hear what others change. */
  readonly listenerUrl?: string;
  /** Connections of the application's pool. Default 10. */
  readonly maxConnections?: number;
  /** How long a call of the application's pool may take, in milliseconds. Default 10,000. */
  readonly deadlineMs?: number;
  /**
   * How long a call of the application's pool may be under way with nothing heard from the server, before the pool is replaced.
   * In milliseconds; default: the deadline, and at least 7,000, since the server allows a statement 5,000.
   */
  readonly silenceMs?: number;
  /** Calls of a pool that are not done yet; one more is refused at once as unavailable. Default 1,000. */
  readonly maxPending?: number;
  /** Calls of one company that the application's pool does at once; others of that company wait. Default: half of the connections. */
  readonly maxOfCompany?: number;
  /** Told of every call when it is over. Must not throw. */
  readonly onCall?: (call: DatabaseCall) => void;
}

/** Runs one transaction across companies. */
export type Across = <T>(work: (statements: Statements) => Promise<T>) => Promise<T>;

/**
 * The two pools. Every method rejects with a `DatabaseError` for what the database or driver did, and passes on
 * whatever the caller's own function throws. A call that takes too long rejects as unavailable while the driver goes
 * on with it. A pool that was silent for long (`silenceMs`) is replaced: connections that are half open would otherwise be waited
 * for until the system gives them up. A transaction whose caller was told so before it began does not begin. The calls of
 * one company take no more than its share of the connections; where too many of them wait, or one for as long as a call may
 * take, it rejects as unavailable with the code `COMPANY_BUSY`.
 */
export interface Database {
  /**
   * One transaction in the scope of one company: row-level security shows its rows and no others.
   * `work` may wait for nothing but its own statements; a transaction that waits for anything else can
   * outlive its connection.
   */
  inCompany<T>(companyId: string, work: (statements: Statements) => Promise<T>): Promise<T>;
  /**
   * Runs work of one owner, such as a company, as soon as fewer of its calls are in flight than its share. Must not be
   * nested.
   */
  inShareOf<T>(owner: string, work: () => Promise<T>): Promise<T>;
  /** Statements outside any company: the listed look-ups, and appending to the audit log. */
  outsideCompanies<T>(
    work: (sql: postgres.Sql, statements: Omit<Statements, "whenLost">) => Promise<T>,
  ): Promise<T>;
  /** One transaction across companies. For the modules that manage companies, keys and operators. */
  readonly acrossCompanies: Across;
  /**
   * Resolves when the application's pool answers, its role is one that row-level security binds, and the tables fit this program.
   *
   * @returns a sentence for the log where a newer release has migrated the tables, and they still serve this program
   * @throws {SchemaError} where they do not
   */
  check(): Promise<string | undefined>;
  /**
   * Resolves when a connection of the pool leads to a server that takes writes.
   *
   * @throws {DatabaseError} with the code `25006` where it is a standby, or allows no writes
   */
  checkWrites(pool: DatabaseCall["pool"]): Promise<void>;
  /** From now on the pool prepares no statement under a name: a pooler in between does not know them. */
  prepareNothing(pool: DatabaseCall["pool"]): void;
  /** How many calls are not done yet, of both pools: those that run, and those that wait for a connection. */
  pending(): number;
  close(): Promise<void>;
}

/** A database whose notifications this process may listen to. */
export interface ListeningDatabase extends Database {
  /** Of the role that may connect and nothing else. A function, so that nothing that prints the object prints a password. */
  listenerUrl(): string;
}

/** Connections of the maintenance pool. */
export const maintenanceConnections = 3;

/** Calls of one company that wait for its share; one more is refused at once. */
const waitingOfCompany = 200;

/** Longer than the server allows a statement of that role (provision.ts), so that its own answer comes first. */
const maintenanceDeadlineMs = 40_000;
const shortestSilenceMs = 7000;

/** Opens nothing yet: connections are made by the first statements. */
export function connectDatabase(
  options: DatabaseOptions & { readonly listenerUrl: string },
): ListeningDatabase;
export function connectDatabase(options: DatabaseOptions): Database;
export function connectDatabase(options: DatabaseOptions): Database {
  const { maxConnections = 10, deadlineMs = 10_000, maxPending = 1000, onCall = () => {} } = options;
  const application = createReplaceablePool({
    pool: "application",
    url: options.applicationUrl,
    applicationName: "tenant-secrets",
    connections: maxConnections,
    deadlineMs,
    silenceMs: options.silenceMs ?? Math.max(deadlineMs, shortestSilenceMs),
    maxPending,
    onCall,
  });
  const maintenance = createReplaceablePool({
    pool: "maintenance",
    url: options.maintenanceUrl,
    applicationName: "tenant-secrets maintenance",
    connections: maintenanceConnections,
    deadlineMs: maintenanceDeadlineMs,
    silenceMs: maintenanceDeadlineMs,
    maxPending,
    onCall,
  });
  const of = (pool: DatabaseCall["pool"]): ReplaceablePool =>
    pool === "application" ? application : maintenance;
  let roleChecked = false;
  const { maxOfCompany = Math.ceil(maxConnections / 2) } = options;
  const shares = createShares({
    atOnce: maxOfCompany,
    maxWaiting: waitingOfCompany,
    timeoutMs: deadlineMs,
    isSuspended: () => application.current().calls.isUnavailable(),
  });

  const { listenerUrl } = options;
  return {
    ...(listenerUrl === undefined ? {} : { listenerUrl: () => listenerUrl }),
    inCompany: (companyId, work) =>
      shares.run(companyId, () =>
        inTransaction(application, async (statements) => {
          await statements.execute(
            fragment`select set_config('tenant_secrets.company_id', ${companyId}, true)`,
          );
          return work(statements);
        }),
      ),
    inShareOf: (owner, work) => shares.run(owner, work),
    outsideCompanies: (work) => {
      const { sql, statements, calls } = application.current();
      return calls.run(() => work(sql, statements));
    },
    acrossCompanies: (work) => inTransaction(maintenance, work),
    check: () => {
      const { sql, calls } = application.current();
      return calls.run(async () => {
        if (!roleChecked) await assertApplicationRole(sql);
        roleChecked = true;
        return fitSchema(await readSchemaVersion(sql));
      });
    },
    checkWrites: async (pool) => {
      const { sql, calls } = of(pool).current();
      // A server that takes no writes has answered: for the calls of its pool it is there.
      assertTakesWrites(await calls.run(() => takesWrites(sql)));
    },
    prepareNothing: (pool) => of(pool).prepareNothing(),
    pending: () =>
      [application, maintenance].reduce((sum, { current }) => sum + current().calls.pending(), 0),
    close: async () => {
      await Promise.all([application.end(), maintenance.end()]);
    },
  };
}

async function inTransaction<T>(
  pool: ReplaceablePool,
  work: (statements: Statements) => Promise<T>,
): Promise<T> {
  const { statements, calls } = pool.current();
  const callbacks: (() => void)[] = [];
  let lost = false;
  // A call that missed its deadline may still run in the driver, and register then.
  const whenLost = (callback: () => void): void => {
    if (lost) callback();
    else callbacks.push(callback);
  };
  try {
    return await calls.run((isLate) =>
      statements.transaction((transaction) => {
        if (isLate()) throw new DatabaseError("unavailable", "TIMEOUT");
        return work(Object.assign(transaction, { whenLost }));
      }),
    );
  } catch (error) {
    lost = true;
    for (const callback of callbacks) callback();
    throw error;
  }
}
