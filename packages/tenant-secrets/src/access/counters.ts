import { hash } from "node:crypto";
import type { Database } from "@repo/db";

/** Points counted within the current window, and milliseconds until it ends. */
export interface Count {
  readonly points: number;
  readonly endsInMs: number;
}

/** Counters in the database, shared by all processes and kept across restarts. Windows end by the database's clock. */
export interface Counters {
  /** Adds one point. The first one starts a window of the given length. */
  add(key: string, windowMs: number): Promise<Count>;
  /** @returns undefined without a counter, or if its window has ended */
  find(key: string): Promise<Count | undefined>;
  /** Extends the window to at least the given time from now, with at least the given points. */
  extend(key: string, count: Count): Promise<void>;
}

const endsInMs = `greatest(0, ceil(extract(epoch from expires_at - now()) * 1000))::float8 as "endsInMs"`;

// `now()` is constant within a statement: a window cannot end between two of its expressions.
const adding = `insert into rate_limits as counted (key, points, expires_at)
  values ($1, 1, now() + $2::float8 * interval '1 ms')
  on conflict (key) do update set
    points = case when counted.expires_at <= now() then 1 else least(counted.points, 2000000000) + 1 end,
    expires_at = case when counted.expires_at <= now() then excluded.expires_at else counted.expires_at end
  returning points, ${endsInMs}`;

const finding = `select points, ${endsInMs} from rate_limits where key = $1 and expires_at > now()`;

const extending = `insert into rate_limits as counted (key, points, expires_at)
  values ($1, $2::integer, now() + $3::float8 * interval '1 ms')
  on conflict (key) do update set
    points = greatest(counted.points, excluded.points),
    expires_at = greatest(counted.expires_at, excluded.expires_at)`;

/** Each method is one statement, so that concurrent calls never exceed the limit. They throw the database's errors. */
export function createCounters(database: Database): Counters {
  // A key is stored as a hash: of fixed length, and without the subject in clear text.
  const run = (text: string, [key, ...values]: [string, ...number[]]): Promise<Count | undefined> =>
    database.outsideCompanies(async (sql) => {
      const [count] = await sql.unsafe<Count[]>(text, [hash("sha256", key), ...values], { prepare: true });
      return count;
    });
  return {
    add: async (key, windowMs) => {
      const count = await run(adding, [key, windowMs]);
      if (count === undefined) throw new Error("an insert returned no row");
      return count;
    },
    find: (key) => run(finding, [key]),
    extend: async (key, count) => {
      await run(extending, [key, count.points, count.endsInMs]);
    },
  };
}
