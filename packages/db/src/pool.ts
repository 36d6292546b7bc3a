import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import type postgres from "postgres";
import { createCalls, type CallOptions, type Calls } from "./calls.ts";
import { openDriver } from "./driver.ts";

/** Connections, and the calls that use them. */
interface Pool {
  readonly sql: postgres.Sql;
  readonly statements: PostgresJsDatabase;
  readonly calls: Calls;
}

export interface PoolOptions extends Omit<CallOptions, "startsUnavailable" | "heardAt" | "onSilence"> {
  readonly url: string;
  readonly applicationName: string;
}

/** A pool that is replaced, connections and all, when nothing is heard on any of them. */
export interface ReplaceablePool {
  /** To be asked for at every call. */
  readonly current: () => Pool;
  /** From now on no statement of it is prepared under a name: a pooler in between does not know them. */
  readonly prepareNothing: () => void;
  readonly end: () => Promise<void>;
}

/**
 * Milliseconds. The driver's own backoff after failed connections grows to 20 s, with every failed connection of the pool.
 * That exceeds the deadline of a call, so calls would fail although the server has long recovered.
 */
const longestBackoffMs = 1000;

/**
 * Opens nothing yet: connections are made by the first statements. A server can vanish without a word, and its
 * connections then look open for as long as the system keeps sending into the void: a quarter of an hour.
 */
export function createReplaceablePool(options: PoolOptions): ReplaceablePool {
  let prepare = true;
  let pool = open(false);
  let isOver = false;

  function open(startsUnavailable: boolean): Pool {
    const sql = connect(options, prepare);
    const calls = createCalls({
      ...options,
      startsUnavailable,
      heardAt: () => heardAtOf(sql),
      onSilence: () => {
        if (isOver || pool.sql !== sql) return;
        pool = open(true);
        void sql.end({ timeout: 0 }).catch(() => {});
      },
    });
    return { sql, statements: drizzle({ client: sql }), calls };
  }

  return {
    current: () => pool,
    prepareNothing: () => {
      prepare = false;
      // The driver looks at it for each statement.
      Object.assign(pool.sql.options, { prepare });
    },
    end: async () => {
      isOver = true;
      // `end` can wait for ever for a connection that is being lost, so it gets a deadline of its own.
      await pool.sql.end({ timeout: 5 });
    },
  };
}

function connect({ url, connections, applicationName }: PoolOptions, prepare: boolean): postgres.Sql {
  return openDriver(url, {
    max: connections,
    applicationName,
    prepare,
    idleTimeout: 300,
    // In seconds; without the random part connections that were lost together would come back together.
    backoff: (failures) =>
      ((0.5 + Math.random() / 2) * Math.min(3 ** failures * 10, longestBackoffMs)) / 1000,
  });
}

/** @returns when the driver heard from the server, which patches/postgres@3.4.9.patch makes it note */
function heardAtOf(sql: postgres.Sql): number {
  const shared: unknown = Reflect.get(sql.options, "shared");
  const heardAt: unknown = typeof shared === "object" && shared !== null && Reflect.get(shared, "heardAt");
  return typeof heardAt === "number" ? heardAt : -Infinity;
}
