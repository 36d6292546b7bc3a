import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import type postgres from "postgres";
import { openDriver } from "./driver.ts";
import { databaseUrl } from "./url.ts";

export interface DatabaseUrls {
  /** Serves requests; row-level security binds it. */
  readonly application: string;
  /** Works across companies. */
  readonly maintenance: string;
  /** Owns the database and its objects. */
  readonly migration: string;
  /** Waits for notifications, and may read nothing. */
  readonly listener: string;
  /** Knows passwords and sessions of people, and no secret of a company. */
  readonly signIn: string;
}

type Role = keyof DatabaseUrls;

const ROLES = [
  "application",
  "maintenance",
  "migration",
  "listener",
  "signIn",
] as const satisfies readonly Role[];
const nameOf = (role: Role): string => `tenant_secrets_${role === "signIn" ? "sign_in" : role}`;
/** Owns the functions that read heads of secrets of any company, and may do nothing else. No process connects as it. */
const READER = "tenant_secrets_reader";
/** Owns the copies of other regions, and makes and checks them. No process connects as it. */
const COPIES = "tenant_secrets_copies";
/** Deletes what a company leaves behind that has moved to another region, by the function that it owns. No process connects as it. */
const MOVER = "tenant_secrets_mover";
/** What may read the copies for other regions to bring them out. No process connects as it. */
const EXPORTER = "tenant_secrets_exporter";

// 0 is "never". What a migration does may take long; what it waits for may not.
const TIMEOUTS: Readonly<Record<Role, Readonly<Record<string, string>>>> = {
  application: { statement_timeout: "5s", lock_timeout: "5s", idle_in_transaction_session_timeout: "10s" },
  maintenance: { statement_timeout: "30s", lock_timeout: "5s", idle_in_transaction_session_timeout: "30s" },
  migration: { statement_timeout: "0", lock_timeout: "30s", idle_in_transaction_session_timeout: "60s" },
  listener: { statement_timeout: "5s", lock_timeout: "5s", idle_in_transaction_session_timeout: "10s" },
  signIn: { statement_timeout: "5s", lock_timeout: "5s", idle_in_transaction_session_timeout: "10s" },
};

const PROVISION_LOCK = 7_274_001;

export interface ProvisionOptions {
  /** Of a superuser or a role with CREATEROLE and CREATEDB, and of a database that always exists, such as `postgres`. */
  readonly superuserUrl: string;
  /** Lower-case letters, digits and `_`. */
  readonly database: string;
  /**
   * Printable ASCII. A role without one gets 32 random bytes. Roles belong to the whole server: a password set
   * here ends the one before, for all its databases.
   */
  readonly passwords?: Partial<Readonly<Record<Role, string>>>;
}

/**
 * Creates the five roles, the one that owns what reads secrets, and an empty database for them. If they exist, resets the attributes of the roles, the owner of
 * the database, the privileges of PUBLIC and the time limits. Safe to run concurrently. `migrateDatabase` creates the tables.
 *
 * @returns the URLs of the database, one for each role, with their passwords
 * @throws {RangeError} for a database name or password of another form than above
 */
export async function provisionDatabase(options: ProvisionOptions): Promise<DatabaseUrls> {
  const { superuserUrl, database } = options;
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(database)) {
    throw new RangeError("A database is named with lower-case letters, digits and _, at most 63 of them.");
  }
  const passwords = withRandom(options.passwords ?? {});
  const sql = connectOnce(superuserUrl);
  try {
    await sql`set lock_timeout = '60s'`;
    await sql`select pg_advisory_lock(${PROVISION_LOCK})`;
    for (const role of ROLES) await ensureRole(sql, nameOf(role), passwords[role]);
    for (const role of [READER, COPIES, MOVER, EXPORTER]) await ensureAttributes(sql, role, "nologin");
    // Functions that run as another role are made by the migration role and then handed over.
    for (const owner of [nameOf("maintenance"), READER, COPIES, MOVER])
      await execute(sql, "grant %I to %I", owner, nameOf("migration"));
    await joinOwner(sql);
    const existing = await sql`select from pg_database where datname = ${database}`;
    await (existing.length === 0
      ? execute(
          sql,
          "create database %I owner %I encoding 'UTF8' template template0",
          database,
          nameOf("migration"),
        )
      : execute(sql, "alter database %I owner to %I", database, nameOf("migration")));
    await restrictDatabase(sql, database);
  } finally {
    await sql.end({ timeout: 5 });
  }
  const inside = connectOnce(databaseUrl(superuserUrl, database));
  try {
    await inside`revoke create on schema public from public`;
  } finally {
    await inside.end({ timeout: 5 });
  }
  const url = (role: Role): string =>
    databaseUrl(superuserUrl, database, { user: nameOf(role), password: passwords[role] });
  return {
    application: url("application"),
    maintenance: url("maintenance"),
    migration: url("migration"),
    listener: url("listener"),
    signIn: url("signIn"),
  };
}

/** Sets who may connect to `database`, and the roles' timeouts in it: what `create database … template` does not copy. */
export async function restrictDatabase(sql: postgres.Sql, database: string): Promise<void> {
  await execute(sql, "revoke all on database %I from public", database);
  for (const role of ROLES) {
    await execute(sql, "grant connect on database %I to %I", database, nameOf(role));
    for (const [setting, value] of Object.entries(TIMEOUTS[role])) {
      await execute(sql, "alter role %I in database %I set %I = %L", nameOf(role), database, setting, value);
    }
  }
}

/** One connection, for a job that ends it. */
export function connectOnce(url: string): postgres.Sql {
  // Named apart from what serves: tests end the connections of "tenant-secrets…".
  return openDriver(url, { max: 1, applicationName: "set-up of tenant-secrets" });
}

/** Runs a statement that takes no parameters, quoted by the server's own `format`: %I an identifier, %L a literal. */
export async function execute(
  sql: postgres.ISql,
  template: string,
  ...values: readonly string[]
): Promise<void> {
  // As JSON, because the driver learns what an array is only with the first answer on a connection.
  const [row] = await sql<{ statement: string }[]>`
    select format(${template}, variadic array(select jsonb_array_elements_text(${JSON.stringify(values)}::text::jsonb)))
      as statement`;
  if (row !== undefined) await sql.unsafe(row.statement);
}

/**
 * Who is no superuser, as on a managed server, has to be a member of a role to make databases for it. That role may do
 * nothing that the maker of its password could not.
 */
async function joinOwner(sql: postgres.Sql): Promise<void> {
  const [self] = await sql<{ name: string; elevated: boolean }[]>`
    select rolname as name, rolsuper as elevated from pg_roles where rolname = current_user`;
  if (self !== undefined && !self.elevated)
    await execute(sql, "grant %I to %I", nameOf("migration"), self.name);
}

async function ensureRole(sql: postgres.Sql, name: string, password: string): Promise<void> {
  await ensureAttributes(sql, name, "login");
  await execute(sql, "alter role %I password %L", name, scramVerifier(password));
}

/**
 * Makes a role that may stream changes, or gives it another password.
 *
 * @returns the password: 32 random bytes
 */
export async function ensureReplicationRole(sql: postgres.Sql, name: string): Promise<string> {
  const password = randomBytes(32).toString("base64url");
  const attributes = "login replication nosuperuser nobypassrls nocreaterole nocreatedb";
  const found = await sql`select from pg_roles where rolname = ${name}`;
  await execute(sql, `${found.length === 0 ? "create" : "alter"} role %I ${attributes}`, name);
  await execute(sql, "alter role %I password %L", name, scramVerifier(password));
  return password;
}

async function ensureAttributes(sql: postgres.Sql, name: string, login: "login" | "nologin"): Promise<void> {
  const attributes = `${login} nosuperuser nobypassrls nocreaterole nocreatedb noreplication`;
  const [found] = await sql<{ elevated: boolean }[]>`
    select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication
      or rolcanlogin <> ${login === "login"} as elevated
    from pg_roles where rolname = ${name}`;
  if (found === undefined) await execute(sql, `create role %I ${attributes}`, name);
  else if (found.elevated) await execute(sql, `alter role %I ${attributes}`, name);
}

/**
 * What PostgreSQL stores for a password (RFC 5803). Computed here, so that a server that logs its statements does not
 * log the password.
 */
function scramVerifier(password: string): string {
  const iterations = 4_096;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  const clientKey = createHmac("sha256", salted).update("Client Key").digest();
  const storedKey = createHash("sha256").update(clientKey).digest("base64");
  const serverKey = createHmac("sha256", salted).update("Server Key").digest("base64");
  return `SCRAM-SHA-256$${iterations}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}

function withRandom(given: Partial<Readonly<Record<Role, string>>>): Readonly<Record<Role, string>> {
  const choose = (role: Role): string => {
    const password = given[role] ?? randomBytes(32).toString("base64url");
    // Anything else would have to be normalised (SASLprep), which drivers do differently.
    if (!/^[\x21-\x7e]+$/.test(password))
      throw new RangeError(`The password for ${role} is not printable ASCII.`);
    return password;
  };
  return {
    application: choose("application"),
    maintenance: choose("maintenance"),
    migration: choose("migration"),
    listener: choose("listener"),
    signIn: choose("signIn"),
  };
}
