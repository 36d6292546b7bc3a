import { DatabaseError, type DatabasePlace, inForeignDatabase, type Run } from "@repo/db";
import type { CheckResult, PostgresLogin } from "@repo/catalog";
import type { Plaintext } from "@repo/envelope";
import type { DriverCall, PolicyValues } from "../driver.ts";
import { DriverError } from "../driver-error.ts";
import { parseLogin, readLogin } from "./login.ts";

/** A server that the operator allows the driver to connect to. */
export interface PostgresHost {
  readonly host: string;
  readonly port: number;
  /** False for a connection in the clear, such as inside one machine. Default: true, with a certificate for the host. */
  readonly isEncrypted?: boolean | undefined;
  /** Authorities of its certificate, as PEM. Default: those that Node.js knows. */
  readonly ca?: string | undefined;
}

export interface PostgresRoleOptions {
  /** A tenant names none: what is not in this list is not connected to. */
  readonly hosts: readonly PostgresHost[];
  /** This deployment's own databases, whose roles are never touched. */
  readonly ownDatabases: readonly DatabasePlace[];
}

/** What a driver does with a role that logs in. */
export interface RoleWork {
  /** Whether the server accepts a login, and with it the right to act as `group`. @throws {DriverError} misconfigured */
  test(call: DriverCall, value: Plaintext, group: string | undefined): Promise<CheckResult>;
  /** Works with the manager's rights, in the database of the current value. @throws {DriverError} */
  asManager<T>(call: DriverCall, work: (run: Run) => Promise<T>): Promise<T>;
  /** See `refuses` of a driver. */
  refuses(values: PolicyValues, roles: readonly string[]): string | undefined;
}

export function createRoleWork({ hosts, ownDatabases }: PostgresRoleOptions): RoleWork {
  const findHost = (place: Place) => hosts.find((allowed) => isSamePlace(allowed, place));
  const isOwn = (place: DatabasePlace) => ownDatabases.some((own) => isSameDatabase(own, place));

  async function inDatabase<T>(
    call: DriverCall,
    login: PostgresLogin,
    work: (run: Run) => Promise<T>,
  ): Promise<T> {
    const host = findHost(login);
    if (host === undefined || isOwn(login)) throw new DriverError("misconfigured");
    const { isEncrypted = true, ca } = host;
    return inForeignDatabase({ ...login, isEncrypted, ca }, call.signal, work);
  }

  return {
    async test(call, value, group) {
      try {
        return await inDatabase(call, readLogin(value), async (run) => {
          if (group !== undefined) await runFormatted(run, "set role %I", [group]);
          return (await run("select 1 as one")).length === 1 ? "accepted" : "unknown";
        });
      } catch (error) {
        if (error instanceof DriverError) throw error;
        const isRefused = error instanceof DatabaseError && refusals.has(error.code);
        return isRefused ? "rejected" : "unknown";
      }
    },

    async asManager(call, work) {
      const manager = readLogin(call.manager);
      // A manager of one database is no argument for what is done in another one.
      if (!isSameDatabase(manager, readLogin(call.current))) throw new DriverError("misconfigured");
      try {
        return await inDatabase(call, manager, async (run) => {
          await requireForeign(run);
          return work(run);
        });
      } catch (error) {
        throw failureOf(error);
      }
    },

    refuses({ current, manager }, roles) {
      const login = parseLogin(current);
      if (login === undefined) return `the value of the secret is not ${loginForm}`;
      if (!roles.includes(login.user))
        return "the value of the secret has a user that is not in the settings";
      if (findHost(login) === undefined)
        return "the value of the secret names a server that is not in ROTATION_POSTGRES_HOSTS of this deployment";
      if (isOwn(login)) return "the value of the secret names the database of this deployment itself";
      const managing = manager && parseLogin(manager);
      if (managing === undefined) return `the value of the manager is not ${loginForm}`;
      return isSameDatabase(managing, login)
        ? undefined
        : "the values of the secret and of the manager name different databases";
    },
  };
}

const loginForm = '{"host", "port", "database", "user", "password"}';

interface Place {
  readonly host: string;
  readonly port: number;
}
const isSamePlace = (one: Place, other: Place): boolean =>
  one.host.toLowerCase() === other.host.toLowerCase() && one.port === other.port;
export const isSameDatabase = (one: DatabasePlace, other: DatabasePlace): boolean =>
  isSamePlace(one, other) && one.database === other.database;

/** Wrong password, no such login, no right to become the group, no database, and no right to connect to it. */
const refusals = new Set(["28P01", "28000", "42501", "3D000", "42704", "22023"]);

/** Runs a statement that takes no parameters, quoted by the server's own `format`: %I an identifier, %L a literal. */
export async function runFormatted(run: Run, template: string, values: readonly string[]): Promise<void> {
  const places = values.map((_, index) => `$${index + 2}::text`).join(", ");
  const [row] = await run(`select format($1::text, ${places}) as statement`, [template, ...values]);
  await run(String(row?.["statement"]));
}

/** @throws {DriverError} misconfigured in a database with the tables of this product, under whatever name it was reached */
async function requireForeign(run: Run): Promise<void> {
  const [row] = await run(
    "select to_regclass('public.company_secrets') is null or to_regclass('public.audit_key_wraps') is null as foreign",
  );
  if (row?.["foreign"] !== true) throw new DriverError("misconfigured");
}

export async function findRole(run: Run, name: string): Promise<{ readonly isOver: boolean } | undefined> {
  const [row] = await run(
    "select coalesce(rolvaliduntil <= now(), false) as over from pg_roles where rolname = $1",
    [name],
  );
  return row && { isOver: row["over"] === true };
}

/** @throws {DriverError} misconfigured for a role that is missing, or may do more than log in */
export async function requireOrdinary(run: Run, name: string): Promise<void> {
  const [row] = await run(
    "select rolcanlogin and not (rolsuper or rolcreaterole or rolreplication or rolbypassrls) as ordinary from pg_roles where rolname = $1",
    [name],
  );
  if (row?.["ordinary"] !== true) throw new DriverError("misconfigured");
}

function failureOf(error: unknown): DriverError {
  if (error instanceof DriverError) return error;
  if (!(error instanceof DatabaseError)) return new DriverError("transient");
  if (["28P01", "28000", "42501"].includes(error.code)) return new DriverError("not-allowed");
  // A server that takes no writes is a standby: the settings name the wrong host.
  if (["25006", "3D000", "42704"].includes(error.code)) return new DriverError("misconfigured");
  return new DriverError("transient");
}
