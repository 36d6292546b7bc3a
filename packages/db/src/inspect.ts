import { setTimeout as sleep } from "node:timers/promises";
import type postgres from "postgres";
import { openDriver } from "./driver.ts";
import { DatabaseError, scrubDatabaseError } from "./errors.ts";
import { takesWrites } from "./takes-writes.ts";
import { DatabaseUrlError, parseDatabaseUrl } from "./url.ts";

/** A URL that does not do for what it is for. The message names its variable and a rule, and quotes nothing of the URL. */
export class ConnectionProblem extends Error {
  override readonly name = "ConnectionProblem";
  /** Whether the same attempt may succeed later. */
  readonly isUnavailable: boolean;
  /** SQLSTATE, or the driver's or the system's own code. */
  readonly code: string;

  constructor(message: string, code: string, isUnavailable: boolean) {
    super(message);
    this.code = code;
    this.isUnavailable = isUnavailable;
  }
}

/** What stands between this process and the server. */
export interface Finding {
  /** Whether each transaction of a connection can be on another session of the server. */
  readonly isPooled: boolean;
  /** Whether statements can be prepared, and run later. False too where the URL forbids it. */
  readonly prepares: boolean;
}

/** A URL to connect with. */
export interface ConnectionToInspect {
  /** The name of its variable, for messages. */
  readonly variable: string;
  readonly url: string;
  /** How many connections the process opens with it at once. */
  readonly connections: number;
}

/**
 * Connects as a URL says, and finds out whether a pooler in transaction mode is in between, and whether that one knows
 * prepared statements. It makes two connections, and ends them; behind a pooler in session mode, as many as will be needed.
 *
 * @throws {ConnectionProblem} where the server does not let us in, cannot be reached, is too old or takes no writes, or a pooler
 *   has too few connections
 */
export async function inspectConnection({
  variable,
  url,
  connections,
}: ConnectionToInspect): Promise<Finding> {
  try {
    const { prepare } = parseDatabaseUrl(url);
    const { isPooled, prepares, isDirect } = await look(variable, url, connections);
    if (!isPooled && !isDirect) {
      const sessions = await countSessions(url, connections);
      if (sessions < connections) throw tooFew(variable, sessions, connections);
    }
    return { isPooled, prepares: prepares && prepare };
  } catch (error) {
    throw error instanceof ConnectionProblem ? error : explainConnection(variable, url, error);
  }
}

async function look(variable: string, url: string, connections: number): Promise<Inspected> {
  const asking = openDriver(url, { max: 1, applicationName });
  const between = openDriver(url, { max: 1, applicationName, prepare: false });
  try {
    const found = await inspect(asking, between);
    if (found === "too few") throw tooFew(variable, 1, connections);
    assertVersion(variable, String(asking.parameters["server_version"]));
    await assertWrites(variable, between);
    return found;
  } finally {
    await Promise.all([asking.end({ timeout: 0 }), between.end({ timeout: 0 })]);
  }
}

/** Grants and policies are written for it: an older server refuses some of them with a code that says nothing. */
const oldestVersion = 15;

function assertVersion(variable: string, text: string): void {
  const version = Number.parseInt(text, 10);
  if (version >= oldestVersion) return;
  const rule = `${variable} leads to PostgreSQL ${version}; ${oldestVersion} or newer is needed.`;
  throw new ConnectionProblem(rule, "VERSION", false);
}

/** Every URL is for writes, or for LISTEN, which a standby refuses. */
async function assertWrites(variable: string, sql: postgres.Sql): Promise<void> {
  if (await takesWrites(sql)) return;
  const rule = `${variable} leads to a server that takes no writes: a standby, or one that was made read-only.`;
  throw new ConnectionProblem(rule, "25006", true);
}

const applicationName = "tenant-secrets start";

/**
 * As often as it takes for poolers to hand another session out. PgBouncer does at the first time; of one with two sessions that
 * draws lots, a round sees nothing in a quarter of the cases.
 */
const rounds = 12;
/** A pooler with one session cannot serve two at once: what waits longer than that waits for the other. */
const waitMs = 1500;
/** Enough for a pooler to open all its connections to the server, and below the patience of callers. */
const sessionsMs = 5000;

function tooFew(variable: string, sessions: number, connections: number): ConnectionProblem {
  const rule =
    `${variable} goes through a pooler in session mode that has ${sessions} of the ${connections} connections to the server ` +
    "that this process opens with it: let the pooler have more, for each process";
  return new ConnectionProblem(`${rule}.`, "TOO_FEW_SESSIONS", true);
}

/** A pooler has keys of its own for cancelling statements, since a session is not its client's: their first half is no process of the server. */
async function reachesServer(sql: postgres.ISql): Promise<boolean> {
  // Not prepared, so that it can run on any session.
  const result = await sql.unsafe<{ pid: number }[]>("select pg_backend_pid() as pid");
  return result.state.pid === result[0]?.pid;
}

/** How many connections answer while all others are open. */
async function countSessions(url: string, connections: number): Promise<number> {
  const sql = openDriver(url, { max: connections, applicationName });
  const giveUp = new AbortController();
  let answered = 0;
  const all = Promise.all(
    Array.from({ length: connections }, async () => {
      const one = await sql.reserve();
      await one`select 1`;
      answered += 1;
    }),
  );
  // Those that still wait when all are ended fail then.
  all.catch(() => {});
  try {
    await Promise.race([all, sleep(sessionsMs, undefined, { signal: giveUp.signal })]);
    return answered;
  } finally {
    giveUp.abort();
    await sql.end({ timeout: 0 });
  }
}

interface Inspected extends Finding {
  /** Whether nothing stands before the server that has connections of its own. */
  readonly isDirect: boolean;
}

async function inspect(asking: postgres.Sql, between: postgres.Sql): Promise<Inspected | "too few"> {
  // Reserved, because the driver sends a statement again by itself where it can be on any connection.
  const asker = await asking.reserve();
  const ask = (): Promise<number | "unknown statement" | "waits"> =>
    Promise.race([
      sessionOf(asker).catch((error: unknown) => {
        if (codeOf(error) === "26000") return "unknown statement" as const;
        throw error;
      }),
      sleep(waitMs, "waits" as const, { ref: false }),
    ]);
  const first = await sessionOf(asker);
  // A pooler in session mode that has one connection only gave it to the asker.
  const isAnswered = await Promise.race([
    between`select 1`.then(() => true),
    sleep(2 * waitMs, false, { ref: false }),
  ]);
  if (!isAnswered) return "too few";
  const isDirect = await reachesServer(asker);
  let isPooled = false;
  for (let round = 0; round < rounds; round += 1) {
    // A pooler assigns another session while, and after, another client's transaction holds one.
    const during = await between.begin(async (inside) => {
      if ((await sessionOf(inside)) === first) isPooled = true;
      return ask();
    });
    const after = during === "waits" ? during : await ask();
    for (const session of [during, after]) {
      if (session === "unknown statement" || session === "waits")
        return { isPooled: true, prepares: false, isDirect };
      // The statement was prepared on the first session, and has run on this one.
      if (session !== first) return { isPooled: true, prepares: true, isDirect };
    }
  }
  // A pooler that never gave another session was not seen to know its statements.
  return { isPooled, prepares: !isPooled, isDirect };
}

async function sessionOf(sql: postgres.ISql): Promise<number> {
  const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
  if (row === undefined) throw new DatabaseError("other", "NO_ROW");
  return row.pid;
}

/**
 * Says of a failed connection which variable it is about, and what to do.
 *
 * @returns a {@link ConnectionProblem} for what the server, the driver or the URL's own form is the reason of; anything else
 *   unchanged
 */
export function explainConnection(variable: string, url: string, thrown: unknown): unknown {
  if (thrown instanceof DatabaseUrlError)
    return new ConnectionProblem(`${variable} ${thrown.message}.`, "URL", false);
  const code = codeOf(thrown);
  const error = scrubDatabaseError(thrown);
  if (code === undefined) return error;
  const { password, tls, hosts, primaryOnly } = parseDatabaseUrl(url);
  // The driver's code where it leaves a standby, and there is no other host to try.
  if (code === "CONNECTION_DESTROYED" && primaryOnly) {
    const rule = `No server of ${variable} is a primary: ${hosts.length === 1 ? "it is a standby" : "those that answer are standbys"}.`;
    return new ConnectionProblem(rule, code, true);
  }
  if (error instanceof DatabaseError && error.kind === "unavailable" && code !== "ENOTFOUND")
    return new ConnectionProblem(`The server of ${variable} cannot be reached (${code}).`, code, true);
  const rule = ruleOf(code, { hasPassword: password !== "", isEncrypted: tls !== undefined });
  return new ConnectionProblem(`${variable}: ${rule} (${code}).`, code, code === "ENOTFOUND");
}

function ruleOf(
  code: string,
  { hasPassword, isEncrypted }: { readonly hasPassword: boolean; readonly isEncrypted: boolean },
): string {
  switch (code) {
    case "28P01":
      return hasPassword
        ? "the server does not accept the password of its role"
        : "the server asks for a password and the URL has none; PGPASSWORD is not read";
    case "28000":
      return `the server does not let its role in: the role does not exist, or pg_hba.conf does not allow it from here ${isEncrypted ? "with" : "without"} TLS (sslmode)`;
    case "3D000":
      return "the server has no such database";
    case "42501":
      return "its role may not connect to its database";
    case "ENOTFOUND":
      return "the name of its host is not known";
    case "ENOENT":
    case "EACCES":
      return "the Unix socket in the directory of its host is not there, or may not be used";
    case "SSL_NOT_SUPPORTED":
      return "its sslmode asks for TLS and the server has none";
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return "the certificate of the server is for another name than the host in the URL";
    default:
      return /CERT|ISSUER|SIGNATURE|^ERR_(?:TLS|SSL)|^ERR_OSSL/.test(code)
        ? "the certificate of the server is not accepted; sslrootcert names the file of its CA"
        : "the server refuses the connection";
  }
}

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "string"
    ? thrown.code
    : undefined;
}
