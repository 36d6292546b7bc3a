import { readTls, type Tls } from "./url-tls.ts";

/** What a URL of the database says, with the defaults filled in. Neither driver reads the URL itself, nor a PG… variable. */
export interface DatabaseAddress {
  /** Tried in turn. Of a Unix socket there is one, whose name is the directory of the socket. */
  readonly hosts: readonly { readonly name: string; readonly port: number }[];
  readonly isSocket: boolean;
  readonly user: string;
  /** Empty where the URL has none. */
  readonly password: string;
  readonly database: string;
  /** Undefined for a connection in the clear. */
  readonly tls: Tls | undefined;
  /** Hosts that take no writes are passed over. */
  readonly primaryOnly: boolean;
  /** False where no statement may be prepared under a name. */
  readonly prepare: boolean;
  readonly connectTimeoutSeconds: number;
  /** 0 for no probes at all. */
  readonly keepAliveSeconds: number;
  readonly applicationName: string | undefined;
  /** Settings for the server, such as `-c statement_timeout=5s`. */
  readonly options: string | undefined;
}

/** A URL that is not served. The message is a rule without its subject, and quotes nothing of the URL. */
export class DatabaseUrlError extends Error {
  override readonly name = "DatabaseUrlError";
}

const host = String.raw`(?:\[[0-9A-Fa-f:.]+\]|%2[Ff][^/?#@:,]*|[A-Za-z0-9._-]+)(?::\d{1,5})?`;
/** The password ends at the first @ behind which the rest has the form of a URL: most that is not encoded is understood. */
const form = new RegExp(
  String.raw`^(postgres(?:ql)?://)(?:(.*?)@)?(${host}(?:,${host})*)?(?:/([^/?#@]*))?(?:\?([^#]*))?$`,
);
const formRule =
  "is not of the form postgres://user:password@host:port/database?name=value; in a password, " +
  "% # / ? @ and : are written %25 %23 %2F %3F %40 and %3A";

const understood = [
  "host, port, sslmode, sslrootcert, sslcert, sslkey, sslnegotiation, channel_binding, gssencmode, target_session_attrs, connect_timeout",
  "keepalives, keepalives_idle, application_name, options, prepare, pgbouncer and schema",
].join(", ");
const named = new Set(understood.split(/, | and /));

/**
 * @param text postgres://user:password@host:port/database?name=value; docs/configuration.md lists the names
 * @throws {DatabaseUrlError}
 */
export function parseDatabaseUrl(text: string): DatabaseAddress {
  const { userinfo, hosts: authority, path, query } = split(text);
  const parameters = readParameters(query);
  const colon = userinfo.indexOf(":");
  const user = decode(colon === -1 ? userinfo : userinfo.slice(0, colon), "user");
  if (user === "") refuse("names no user; PGUSER is not read");
  const database = decode(path, "database");
  if (database === "") refuse("names no database; PGDATABASE is not read");
  const { hosts, isSocket } = readHosts(authority, parameters);
  if (!["", "public"].includes(parameters.get("schema") ?? ""))
    refuse("has a schema other than public, where the tables are");
  const binding = choose(parameters, { name: "channel_binding", values: ["prefer", "disable", "require"] });
  choose(parameters, { name: "gssencmode", values: ["disable", "prefer"] });
  choose(parameters, { name: "sslnegotiation", values: ["postgres"] });
  const session = choose(parameters, {
    name: "target_session_attrs",
    values: ["any", "read-write", "primary"],
  });
  const isOn = (name: string, otherwise: boolean): boolean =>
    choose(parameters, { name, values: ["true", "false"], otherwise: String(otherwise) }) === "true";
  return {
    hosts,
    isSocket,
    user,
    password: colon === -1 ? "" : decode(userinfo.slice(colon + 1), "password"),
    database,
    // A Unix socket has no network in between, and the server offers no TLS on it.
    tls: isSocket ? undefined : readTls(parameters, binding === "require", refuse),
    // Of several servers one takes writes, and every URL of ours is for writes or LISTEN, which a standby refuses.
    primaryOnly: session === "primary" || session === "read-write" || (session === "" && hosts.length > 1),
    prepare: isOn("prepare", !isOn("pgbouncer", false)),
    connectTimeoutSeconds: count(parameters, "connect_timeout", { min: 1, max: 120, otherwise: 5 }),
    keepAliveSeconds:
      choose(parameters, { name: "keepalives", values: ["0", "1"], otherwise: "1" }) === "0"
        ? 0
        : count(parameters, "keepalives_idle", { min: 1, max: 7200, otherwise: 60 }),
    applicationName: parameters.get("application_name"),
    options: parameters.get("options"),
  };
}

/** A database as a URL names it, at each of its hosts. */
export interface DatabasePlace {
  readonly host: string;
  readonly port: number;
  readonly database: string;
}

/**
 * Where a URL leads to. A socket and `localhost` are this machine, by each name that it has for itself.
 *
 * @throws {DatabaseUrlError}
 */
export function databasePlaces(url: string): readonly DatabasePlace[] {
  const { hosts, isSocket, database } = parseDatabaseUrl(url);
  return hosts.flatMap(({ name, port }) => {
    const names = isSocket || ownNames.includes(name.toLowerCase()) ? ownNames : [name];
    return names.map((each) => ({ host: each, port, database }));
  });
}

const ownNames: readonly string[] = ["localhost", "127.0.0.1", "::1"];

/**
 * The same server's URL for another database and, where given, another role.
 *
 * @throws {DatabaseUrlError}
 */
export function databaseUrl(
  url: string,
  database: string,
  role: { readonly user?: string; readonly password?: string } = {},
): string {
  const { scheme, userinfo, hosts, query } = split(url);
  const [oldUser = "", ...oldPassword] = userinfo.split(":");
  const given = {
    user: role.user ?? decode(oldUser, "user"),
    password: role.password ?? decode(oldPassword.join(":"), "password"),
  };
  const credentials = `${encodeURIComponent(given.user)}:${encodeURIComponent(given.password)}`;
  return `${scheme}${credentials}@${hosts}/${encodeURIComponent(database)}${query && `?${query}`}`;
}

interface Parts {
  readonly scheme: string;
  readonly userinfo: string;
  readonly hosts: string;
  readonly path: string;
  readonly query: string;
}

function split(text: string): Parts {
  // oxlint-disable-next-line no-control-regex -- the pattern matches control characters
  if (/[\s\u0000-\u001f\u007f\ufeff]/.test(text)) refuse("holds white space or a control character");
  if (!/^postgres(ql)?:\/\//.test(text)) refuse("does not begin with postgres:// or postgresql://");
  const [, scheme, userinfo = "", hosts = "", path = "", query = ""] = form.exec(text) ?? [];
  if (scheme === undefined) refuse(formRule);
  return { scheme, userinfo, hosts, path, query };
}

function readParameters(query: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const pair of query.split("&").filter(Boolean)) {
    const [name = "", ...rest] = pair.split("=");
    // A part of a password may stand here, so that it is not quoted.
    if (rest.length === 0 || !/^[a-z_]+$/.test(name)) refuse(formRule);
    if (!named.has(name)) refuse(`has a parameter that is not understood; understood are ${understood}`);
    if (parameters.has(name)) refuse(`has ${name} twice`);
    parameters.set(name, decode(rest.join("="), name));
  }
  return parameters;
}

function readHosts(
  authority: string,
  parameters: ReadonlyMap<string, string>,
): Pick<DatabaseAddress, "hosts" | "isSocket"> {
  const asked = parameters.get("host");
  if (asked !== undefined && authority !== "")
    refuse("names its host twice, before the database and as host=");
  const text = asked ?? authority;
  if (text === "") refuse("names no host; PGHOST is not read");
  const otherwise = count(parameters, "port", { min: 1, max: 65_535, otherwise: 5432 });
  const names = text.split(",").map((each) => {
    const [, bracketed, plain = "", port] = /^(?:\[(.*)\]|([^:]*|\/.*?))(?::(\d+))?$/.exec(each) ?? [];
    return { name: bracketed ?? decode(plain, "host"), port: port === undefined ? otherwise : Number(port) };
  });
  if (names.some(({ name, port }) => name === "" || port < 1 || port > 65_535)) refuse(formRule);
  const isSocket = names.some(({ name }) => name.startsWith("/"));
  if (isSocket && names.length > 1) refuse("names a Unix socket and other hosts");
  return { hosts: names, isSocket };
}

function decode(text: string, what: string): string {
  let decoded = "";
  try {
    decoded = decodeURIComponent(text);
  } catch {
    refuse(`has a % in its ${what} that begins no encoded character; a % is written %25`);
  }
  if (decoded.includes("\0")) refuse(`has a NUL in its ${what}`);
  return decoded;
}

function choose(
  parameters: ReadonlyMap<string, string>,
  {
    name,
    values,
    otherwise = "",
  }: { readonly name: string; readonly values: readonly string[]; readonly otherwise?: string },
): string {
  const value = parameters.get(name) ?? otherwise;
  if (value !== otherwise && !values.includes(value)) refuse(`has a ${name} other than ${values.join(", ")}`);
  return value;
}

function count(
  parameters: ReadonlyMap<string, string>,
  name: string,
  { min, max, otherwise }: { readonly min: number; readonly max: number; readonly otherwise: number },
): number {
  const text = parameters.get(name) ?? String(otherwise);
  if (!/^\d{1,5}$/.test(text) || Number(text) < min || Number(text) > max)
    refuse(`has a ${name} that is no whole number from ${min} to ${max}`);
  return Number(text);
}

function refuse(rule: string): never {
  throw new DatabaseUrlError(rule);
}
