import type postgres from "postgres";
import { openDriver } from "./driver.ts";
import { DatabaseError, scrubDatabaseError } from "./errors.ts";

/** A login at a database that is none of this deployment's. */
export interface ForeignLogin {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  /** Whether the connection is encrypted, and the certificate is compared with the host. */
  readonly isEncrypted: boolean;
  /** Authorities of the certificate, as PEM. Default: those that Node.js knows. */
  readonly ca?: string | undefined;
}

/** Runs one statement. @param parameters in place of $1, $2 … */
export type Run = (statement: string, parameters?: readonly string[]) => Promise<readonly Row[]>;
export type Row = Readonly<Record<string, unknown>>;

const connectTimeoutSeconds = 5;

/**
 * Opens a connection of its own, and closes it when the work is over. No variable of the environment is read.
 *
 * @param signal ends it at any time
 * @throws {DatabaseError} of the server, the connection or the deadline. It holds a code and no text of the server.
 */
export async function inForeignDatabase<T>(
  login: ForeignLogin,
  signal: AbortSignal,
  work: (run: Run) => Promise<T>,
): Promise<T> {
  if (signal.aborted) throw new DatabaseError("unavailable", "TIMEOUT");
  const sql = openForeign(login);
  const ended = Promise.withResolvers<never>();
  const end = (): void => {
    ended.reject(new DatabaseError("unavailable", "TIMEOUT"));
    void sql.end({ timeout: 0 });
  };
  signal.addEventListener("abort", end, { once: true });
  const run: Run = (statement, parameters = []) => sql.unsafe<Row[]>(statement, [...parameters]);
  try {
    return await Promise.race([work(run), ended.promise]);
  } catch (error) {
    throw scrubDatabaseError(error);
  } finally {
    signal.removeEventListener("abort", end);
    await sql.end({ timeout: 1 });
  }
}

function openForeign({ host, port, database, user, password, isEncrypted, ca }: ForeignLogin): postgres.Sql {
  return openDriver(
    {
      hosts: [{ name: host, port }],
      isSocket: false,
      user,
      password,
      database,
      tls: isEncrypted ? { verify: "full", ca, identity: undefined } : undefined,
      primaryOnly: false,
      prepare: false,
      connectTimeoutSeconds,
      keepAliveSeconds: 0,
      applicationName: "tenant-secrets rotation",
      options: undefined,
    },
    { max: 1, applicationName: "tenant-secrets rotation" },
  );
}
