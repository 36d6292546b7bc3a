import { randomBytes } from "node:crypto";
import { DatabaseError, inForeignDatabase, type Run } from "@repo/db";
import type { Plaintext } from "@repo/envelope";
import { z } from "zod";
import type { DriverCall, MakingDriver } from "../driver.ts";
import { DriverError } from "../driver-error.ts";
import { type PostgresLogin, readLogin, writeLogin } from "./login.ts";
import { scramVerifier } from "./scram.ts";

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
  readonly ownDatabases: readonly Pick<PostgresLogin, "host" | "port" | "database">[];
}

const Role = z
  .string()
  .min(1)
  .max(63)
  .refine((name) => name.isWellFormed() && !name.includes("\0"));
const Settings = z.strictObject({
  /** Two roles that log in by turns. Neither is a superuser. */
  roles: z.tuple([Role, Role]).refine(([one, other]) => one !== other),
  /** The role that owns what the two work with, and that both are members of. */
  group: Role.optional(),
  /** After how many days the database itself refuses the password. Default: never. */
  validDays: z.int().min(1).max(400).optional(),
});
type Settings = z.output<typeof Settings>;
type Call = DriverCall<Settings>;

const dayMs = 86_400_000;

/**
 * Rotates the login of a PostgreSQL database between two roles: while one is used, the other one gets a new password. The value
 * is {host, port, database, user, password}, as JSON. The manager is such a login, too, of a role that may alter the two.
 */
export function createPostgresRoleDriver({
  hosts,
  ownDatabases,
}: PostgresRoleOptions): MakingDriver<Settings> {
  /** @throws {DriverError} misconfigured for a place that the operator does not allow, or that is this deployment's own */
  function placeOf({
    host,
    port,
    database,
  }: PostgresLogin): PostgresHost & { readonly isEncrypted: boolean } {
    const place = hosts.find((allowed) => isSamePlace(allowed, { host, port }));
    const isOwn = ownDatabases.some((own) => isSamePlace(own, { host, port }) && own.database === database);
    if (place === undefined || isOwn) throw new DriverError("misconfigured");
    return { ...place, isEncrypted: place.isEncrypted ?? true };
  }

  async function inDatabase<T>(call: Call, login: PostgresLogin, work: (run: Run) => Promise<T>): Promise<T> {
    const { isEncrypted, ca } = placeOf(login);
    return inForeignDatabase({ ...login, isEncrypted, ca }, call.signal, work);
  }

  /** @throws {DriverError} */
  async function asManager<T>(call: Call, work: (run: Run) => Promise<T>): Promise<T> {
    const manager = readLogin(call.manager);
    const current = readLogin(call.current);
    // A manager of one database is no argument for what is done in another one.
    if (!isSamePlace(manager, current) || manager.database !== current.database) {
      throw new DriverError("misconfigured");
    }
    try {
      return await inDatabase(call, manager, async (run) => {
        await requireForeign(run);
        return work(run);
      });
    } catch (error) {
      throw failureOf(error);
    }
  }

  async function isAccepted(call: Call, value: Plaintext): Promise<boolean> {
    const { group } = call.settings;
    return inDatabase(call, readLogin(value), async (run) => {
      if (group !== undefined) await runFormatted(run, "set role %I", [group]);
      return (await run("select 1 as one")).length === 1;
    });
  }

  return {
    name: "postgres-role",
    creates: "us",
    settings: Settings,
    overlap: "both-valid",
    settleSeconds: 30,
    manager: "required",

    make({ roles }, current) {
      const login = readLogin(current);
      const [first, second] = roles;
      if (login.user !== first && login.user !== second) throw new DriverError("misconfigured");
      const user = login.user === first ? second : first;
      return writeLogin({ ...login, user, password: randomBytes(32).toString("base64url") });
    },

    async apply(call, value) {
      const { roles, validDays } = call.settings;
      const next = readLogin(value);
      const current = readLogin(call.current);
      const isOfPair = roles.includes(next.user) && next.user !== current.user;
      if (!isOfPair || !isSamePlace(next, current) || next.database !== current.database) {
        throw new DriverError("misconfigured");
      }
      const expiresAt = validDays === undefined ? undefined : new Date(Date.now() + validDays * dayMs);
      await asManager(call, async (run) => {
        await requireOrdinary(run, next.user);
        const until = expiresAt?.toISOString() ?? "infinity";
        const values = [next.user, scramVerifier(next.password), until];
        await runFormatted(run, "alter role %I password %L valid until %L", values);
      });
      return { ref: next.user, expiresAt };
    },

    async test(call, value) {
      try {
        return (await isAccepted(call, value)) ? "accepted" : "unknown";
      } catch (error) {
        if (error instanceof DriverError) throw error;
        const isRefused = error instanceof DatabaseError && refusals.has(error.code);
        return isRefused ? "rejected" : "unknown";
      }
    },

    async retire(call, { ref }) {
      const { roles } = call.settings;
      if (!roles.includes(ref) || ref === readLogin(call.current).user)
        throw new DriverError("misconfigured");
      return asManager(call, async (run) => {
        const role = await findRole(run, ref);
        if (role === undefined || role.isOver) return "gone";
        await requireOrdinary(run, ref);
        await runFormatted(run, "alter role %I password null valid until 'now'", [ref]);
        return "retired";
      });
    },

    async confirm(call, { ref }) {
      return asManager(call, async (run) => {
        const role = await findRole(run, ref);
        // Sessions go on after the password has ended.
        const sessions = await run("select 1 as one from pg_stat_activity where usename = $1", [ref]);
        return (role === undefined || role.isOver) && sessions.length === 0;
      });
    },
  };
}

interface Place {
  readonly host: string;
  readonly port: number;
}
const isSamePlace = (one: Place, other: Place): boolean =>
  one.host.toLowerCase() === other.host.toLowerCase() && one.port === other.port;

/** Wrong password, no such login, no right to become the group, no database, and no right to connect to it. */
const refusals = new Set(["28P01", "28000", "42501", "3D000", "42704", "22023"]);

/** Runs a statement that takes no parameters, quoted by the server's own `format`: %I an identifier, %L a literal. */
async function runFormatted(run: Run, template: string, values: readonly string[]): Promise<void> {
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

async function findRole(run: Run, name: string): Promise<{ readonly isOver: boolean } | undefined> {
  const [row] = await run(
    "select coalesce(rolvaliduntil <= now(), false) as over from pg_roles where rolname = $1",
    [name],
  );
  return row && { isOver: row["over"] === true };
}

/** @throws {DriverError} misconfigured for a role that is missing, or may do more than the two of a rotation do */
async function requireOrdinary(run: Run, name: string): Promise<void> {
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
