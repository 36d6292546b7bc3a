import {
  appendFileSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../embedded/index.ts";
import { findUnprivilegedUser } from "../embedded/unprivileged.ts";
import { connectOnce } from "../provision.ts";
import { databaseUrl } from "../url.ts";

// The embedded binaries are `initdb`, `pg_ctl` and `postgres`: a base backup is made with the functions of PostgreSQL's
// low-level backup, and not with pg_basebackup.

/** A server of its own data, whose WAL a standby can stream. */
export interface StreamingServer {
  readonly superuserUrl: string;
  readonly port: number;
  /** With the directory `cluster` and the superuser's password in it. */
  readonly dataDir: string;
  /** Ends its processes at once, as a machine does that loses its power. The data stay. */
  stopImmediately(): Promise<void>;
  /** Starts it again, at the same port, after it was stopped. */
  restart(): Promise<void>;
  /** Stops it, and removes its data. May be called more than once, also after `stopImmediately`. */
  stop(): Promise<void>;
}

export interface Standby extends StreamingServer {
  /** Resolves when it has replayed all that the primary has written until now. */
  caughtUp(): Promise<void>;
  /** It receives nothing more: what the primary writes from now on, a promotion loses. Resolves when its receiver has ended. */
  cutOff(): Promise<void>;
  /** It becomes the primary, on the next timeline. Resolves when it accepts writes. */
  promote(): Promise<void>;
}

const SETTINGS = {
  wal_level: "logical",
  wal_keep_size: "512MB",
  // A standby waits for a changed primary this long, which is 5 s by default.
  wal_retrieve_retry_interval: "100ms",
  fsync: "off",
  shared_buffers: "32MB",
  max_connections: "100",
  hot_standby: "on",
};
type Settings = Readonly<Record<string, string>>;

/** @param settings as in postgresql.conf, such as `archive_command` */
export function startPrimary(settings: Settings = {}): Promise<StreamingServer> {
  return startOn(makeDirectory(), settings);
}

/**
 * An asynchronous hot standby of a running server, from a base backup of its own. It follows the server at its port, so that it
 * also continues after the server's restart.
 *
 * @param settings as in postgresql.conf, in addition to those of every server here
 */
export async function startStandby(primary: StreamingServer, settings: Settings = {}): Promise<Standby> {
  const dataDir = makeDirectory();
  await baseBackup(primary, dataDir);
  const cluster = path.join(dataDir, "cluster");
  const { username, password } = new URL(primary.superuserUrl);
  writeOwned(path.join(cluster, "standby.signal"), "");
  appendFileSync(
    path.join(cluster, "postgresql.auto.conf"),
    `primary_conninfo = 'host=127.0.0.1 port=${primary.port} user=${username} password=${password}'\n`,
  );
  const server = await startOn(dataDir, settings);
  const ask = <T extends Record<string, unknown>>(query: string) => askOnce<T>(server.superuserUrl, query);
  return {
    ...server,
    caughtUp: async () => {
      const [written] = await askOnce<{ lsn: string }>(
        primary.superuserUrl,
        "select pg_current_wal_insert_lsn()::text as lsn",
      );
      await until(`a standby has replayed ${written?.lsn}`, async () => {
        const [row] = await ask<{ done: boolean }>(
          `select coalesce(pg_last_wal_replay_lsn() >= '${written?.lsn}', false) as done`,
        );
        return row?.done === true;
      });
    },
    cutOff: async () => {
      await ask("alter system set primary_conninfo = ''");
      await ask("select pg_reload_conf()");
      await until("the receiver has ended", async () => {
        return (await ask("select pid from pg_stat_wal_receiver")).length === 0;
      });
    },
    promote: async () => {
      const [row] = await ask<{ done: boolean }>("select pg_promote(true, 60) as done");
      if (row?.done !== true) throw new Error("The standby was not promoted within 60 s.");
    },
  };
}

/**
 * Starts a server on a base backup, which recovers from archived WAL to a point in time and goes on as a primary of the next
 * timeline. Resolves when it accepts writes.
 *
 * @param backup the directory that `baseBackup` wrote, which becomes the server's own
 * @param recovery settings of the recovery, such as `restore_command` and `recovery_target_time`
 */
export function startRecovered(backup: string, recovery: Settings): Promise<StreamingServer> {
  writeOwned(path.join(backup, "cluster", "recovery.signal"), "");
  // Ready is a server that has ended its recovery, and not one that answers reads during it.
  return startOn(backup, { hot_standby: "off", recovery_target_action: "promote", ...recovery });
}

/** Files that the server makes again at its start, by the manual's "Making a Base Backup Using the Low Level API". */
const LEFT_OUT = new Set(["postmaster.pid", "postmaster.opts", "pg_internal.init", "backup_label.old"]);
const EMPTY = new Set([
  "pg_wal",
  "pg_replslot",
  "pg_dynshmem",
  "pg_notify",
  "pg_serial",
  "pg_snapshots",
  "pg_stat_tmp",
  "pg_subtrans",
]);

/**
 * Copies the data of a running server. The copy begins a recovery at its first start, for which it needs the WAL since this
 * call began: streamed, or archived.
 *
 * @param directory empty or missing. Gets `cluster` and the superuser's password
 */
export async function baseBackup(
  server: Pick<StreamingServer, "superuserUrl" | "dataDir">,
  directory: string,
): Promise<void> {
  const from = path.join(server.dataDir, "cluster");
  const to = path.join(directory, "cluster");
  const sql = connectOnce(server.superuserUrl);
  try {
    // Start and stop have to be of one session.
    await sql`select pg_backup_start('base backup', true)`;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    copyTree(from, to);
    const [stopped] = await sql<{ labelfile: string }[]>`select labelfile from pg_backup_stop(true)`;
    if (stopped === undefined) throw new Error("The server answered nothing about its backup.");
    writeOwned(path.join(to, "backup_label"), stopped.labelfile);
  } finally {
    await sql.end({ timeout: 5 });
  }
  const password = "superuser-password";
  writeOwned(path.join(directory, password), readFileSync(path.join(server.dataDir, password), "utf8"));
}

function copyTree(from: string, to: string): void {
  makeOwned(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (LEFT_OUT.has(entry.name) || entry.name.startsWith("pgsql_tmp")) continue;
    if (EMPTY.has(entry.name)) makeOwned(target);
    else if (entry.isDirectory()) copyTree(source, target);
    else if (entry.isFile()) copyOwned(source, target);
  }
  if (path.basename(to) === "pg_wal") makeOwned(path.join(to, "archive_status"));
}

function copyOwned(source: string, target: string): void {
  try {
    copyFileSync(source, target);
  } catch (error) {
    // A table was dropped meanwhile; the WAL says so.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
    throw error;
  }
  own(target);
}

function makeOwned(directory: string): void {
  if (mkdirSync(directory, { recursive: true, mode: 0o700 }) !== undefined) own(directory);
}

function writeOwned(file: string, text: string): void {
  writeFileSync(file, text, { mode: 0o600 });
  own(file);
}

function own(file: string): void {
  const user = findUnprivilegedUser();
  if (user !== undefined) chownSync(file, user.uid, user.gid);
}

function makeDirectory(): string {
  return mkdtempSync(path.join(tmpdir(), "tenant-secrets-streaming-"));
}

async function startOn(dataDir: string, more: Settings): Promise<StreamingServer> {
  const options = { dataDir, settings: { ...SETTINGS, ...more } };
  let running: EmbeddedPostgres = await startEmbeddedPostgres(options);
  const { port, superuserUrl } = running;
  return {
    superuserUrl,
    port,
    dataDir,
    stopImmediately: async () => {
      const [pid] = readFileSync(path.join(dataDir, "cluster", "postmaster.pid"), "utf8").split("\n");
      process.kill(Number(pid), "SIGQUIT");
      await running.stop();
    },
    restart: async () => {
      running = await startEmbeddedPostgres({ ...options, port });
    },
    stop: async () => {
      await running.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function askOnce<T extends Record<string, unknown>>(url: string, query: string): Promise<T[]> {
  const sql = connectOnce(databaseUrl(url, "postgres"));
  try {
    return await sql.unsafe<T[]>(query);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function until(what: string, isDone: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await isDone())) {
    if (performance.now() > deadline) throw new Error(`Within 60 s it did not happen that ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
