import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { startEmbeddedPostgres } from "../embedded/index.ts";
import { connectOnce } from "../provision.ts";
import { databaseUrl } from "../url.ts";

/** Something that befalls a server, until it ends. */
export interface Fault {
  readonly begin: () => Promise<void>;
  readonly end: () => Promise<void>;
}

export const faultNames = [
  "stopped in order",
  "stopped at once",
  "backends killed",
  "too many connections",
  "disk full",
  "read-only",
  "frozen",
  "locked",
  "slow to commit",
] as const;

export type FaultName = (typeof faultNames)[number];

/** A server of its own, to break on purpose. */
export interface FaultyPostgres {
  readonly superuserUrl: string;
  readonly faults: Readonly<Record<FaultName, Fault>>;
  stop(): Promise<void>;
}

export interface FaultyPostgresOptions {
  readonly dataDir: string;
  /** Where the product's tables are, for the faults that are of a database. It need not be there yet. */
  readonly database: string;
  /** The role that takes all connections; of whom that is does not matter, but it may not be the superuser. */
  readonly applicationUrl: () => string;
}

const maxConnections = 40;
/** Of everything that the product opens. */
const products = "application_name like 'tenant-secrets%'";

export async function startFaultyPostgres(options: FaultyPostgresOptions): Promise<FaultyPostgres> {
  const { dataDir, database, applicationUrl } = options;
  const settings = { fsync: "off", max_connections: String(maxConnections) };
  let server = await startEmbeddedPostgres({ dataDir, settings });
  const { port, superuserUrl } = server;
  const insideUrl = databaseUrl(superuserUrl, database);

  const down = async (how: "SIGINT" | "SIGQUIT"): Promise<void> => {
    process.kill(postmasterOf(dataDir), how);
    await server.stop();
  };
  const up = async (): Promise<void> => {
    server = await startEmbeddedPostgres({ dataDir, port, settings });
    if (server.port !== port) throw new Error("The server's port was taken meanwhile.");
  };

  return {
    superuserUrl,
    stop: () => server.stop(),
    faults: {
      "stopped in order": { begin: () => down("SIGINT"), end: up },
      "stopped at once": { begin: () => down("SIGQUIT"), end: up },
      "backends killed": repeatedly(superuserUrl, killProducts),
      "too many connections": allTaken(superuserUrl, applicationUrl),
      "disk full": diskFull(insideUrl),
      "read-only": {
        begin: () => configure(superuserUrl, "alter system set default_transaction_read_only = on"),
        end: () => configure(superuserUrl, "alter system reset default_transaction_read_only"),
      },
      frozen: frozen(dataDir, superuserUrl),
      locked: locked(insideUrl),
      "slow to commit": {
        begin: () => once(insideUrl, slowCommits),
        end: () => once(insideUrl, "drop function slow_commit cascade"),
      },
    },
  };
}

// The commit succeeds only after its caller's deadline.
const slowCommits = `
  create function slow_commit() returns trigger language plpgsql as
    $$ begin perform pg_sleep(1.7); return null; end $$;
  create constraint trigger slow_commit after insert on write_requests deferrable initially deferred
    for each row execute function slow_commit()`;

const killProducts = `select pg_terminate_backend(pid) from pg_stat_activity where ${products}`;

async function once(url: string, statements: string): Promise<void> {
  const sql = connectOnce(url);
  try {
    await sql.unsafe(statements);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function configure(url: string, statement: string): Promise<void> {
  await once(url, statement);
  await once(url, "select pg_reload_conf()");
}

function postmasterOf(dataDir: string): number {
  return Number(readFileSync(path.join(dataDir, "cluster", "postmaster.pid"), "utf8").split("\n")[0]);
}

function repeatedly(url: string, statement: string): Fault {
  let sql: postgres.Sql | undefined;
  const repeating = asLongAs(async (ended) => {
    for (; !ended.aborted; await sleep(50)) await sql?.unsafe(statement);
    await sql?.end({ timeout: 5 });
  });
  return {
    begin: async () => {
      sql = connectOnce(url);
      // There may be no connection to be had any more once this has begun.
      await sql`select 1`;
      await repeating.begin();
    },
    end: repeating.end,
  };
}

/** Others have every connection that there is, those of the product included. */
function allTaken(superuserUrl: string, applicationUrl: () => string): Fault {
  const killing = repeatedly(superuserUrl, killProducts);
  const taking = asLongAs((ended) => {
    const take = async (): Promise<void> => {
      for (; !ended.aborted; await sleep(5)) {
        const sql = connectOnce(applicationUrl());
        const isTaken = await sql`select 1`.then(
          () => true,
          () => false,
        );
        if (isTaken) await aborted(ended);
        await sql.end({ timeout: 1 });
      }
    };
    return Promise.all(Array.from({ length: maxConnections }, take));
  });
  return {
    begin: async () => {
      await killing.begin();
      await taking.begin();
    },
    end: async () => {
      await killing.end();
      await taking.end();
    },
  };
}

/** @param work runs until `ended` */
function asLongAs(work: (ended: AbortSignal) => Promise<unknown>): Fault {
  let ending = new AbortController();
  let over: Promise<unknown> = Promise.resolve();
  return {
    begin: async () => {
      ending = new AbortController();
      over = work(ending.signal);
    },
    end: async () => {
      ending.abort();
      await over;
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}

/**
 * Whatever is written meets the error of a disk that is full. To fill a real one takes a mount, which is not allowed
 * everywhere.
 */
function diskFull(insideUrl: string): Fault {
  // One table at a time: a lock on all of them together would deadlock with sessions that wait for it.
  const onEachTable = async (statement: (table: string) => string): Promise<void> => {
    const sql = connectOnce(insideUrl);
    const rows = await sql<{ name: string }[]>`
      select oid::regclass::text as name from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition`;
    for (const { name } of rows) await sql.unsafe(statement(name));
    await sql.end({ timeout: 5 });
  };
  return {
    begin: async () => {
      await once(
        insideUrl,
        `create or replace function disk_full() returns trigger language plpgsql as $$ begin
           raise exception 'could not extend file: No space left on device' using errcode = '53100';
         end $$`,
      );
      await onEachTable(
        (table) => `create trigger disk_full before insert or update on ${table}
          for each statement execute function disk_full()`,
      );
    },
    end: () => onEachTable((table) => `drop trigger disk_full on ${table}`),
  };
}

/** Every process of the server is stopped (SIGSTOP); the kernel still accepts connections for it. */
function frozen(dataDir: string, superuserUrl: string): Fault {
  let pids: number[] = [];
  return {
    begin: async () => {
      const sql = connectOnce(superuserUrl);
      await sql`select 1`;
      const postmaster = postmasterOf(dataDir);
      process.kill(postmaster, "SIGSTOP");
      // No new process can start from here on.
      const rows = await sql<{ pid: number }[]>`
        select pid from pg_stat_activity where pid <> pg_backend_pid()`;
      await sql.end({ timeout: 5 });
      pids = [postmaster, ...rows.map(({ pid }) => pid)];
      signalAll(pids, "SIGSTOP");
    },
    end: async () => signalAll(pids, "SIGCONT"),
  };
}

function signalAll(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** Another session locks the tables, and every statement on them runs into its time limit. */
function locked(insideUrl: string): Fault {
  let sql: postgres.Sql | undefined;
  return {
    begin: async () => {
      sql = connectOnce(insideUrl);
      void sql
        .begin(async (transaction) => {
          await transaction.unsafe("lock table company_secrets, audit_events in access exclusive mode");
          await transaction.unsafe("select pg_sleep(600)");
        })
        .catch(() => {});
      await sleep(100);
    },
    end: async () => {
      await sql?.end({ timeout: 0 });
      await once(
        insideUrl,
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where query like 'select pg_sleep(600)%'",
      );
    },
  };
}
