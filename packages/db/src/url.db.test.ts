import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "./embedded/index.ts";
import { inspectConnection } from "./inspect.ts";
import { createPool } from "./jobs/pool.ts";
import { openDriver } from "./driver.ts";
import { connectOnce, execute } from "./provision.ts";
import { copyCertificates } from "./testing/tls-server.ts";

// Every row of the table of URLs in docs/configuration.md, on a real server, through both drivers.

const page = fileURLToPath(new URL("../../../docs/configuration.md", import.meta.url));
const password = "fake%/#?@:pässword";
const user = "reader";

let directory: string;
let server: EmbeddedPostgres;
let clear: EmbeddedPostgres;

beforeAll(async () => {
  directory = copyCertificates();
  const settings = {
    fsync: "off",
    ssl: "on",
    ssl_cert_file: path.join(directory, "server.pem"),
    ssl_key_file: path.join(directory, "fake-server-key.pem"),
    ssl_ca_file: path.join(directory, "ca.pem"),
    unix_socket_directories: directory,
  };
  server = await startEmbeddedPostgres({ dataDir: path.join(directory, "with-tls"), settings });
  clear = await startEmbeddedPostgres({ dataDir: path.join(directory, "clear"), settings: { fsync: "off" } });
  for (const { superuserUrl } of [server, clear]) {
    const sql = connectOnce(superuserUrl);
    await execute(sql, "create role %I login password %L", user, password);
    await execute(sql, "create database %I", "of tests");
    await sql.end();
  }
}, 120_000);

afterAll(async () => {
  await Promise.all([server?.stop(), clear?.stop()]);
  rmSync(directory, { recursive: true, force: true });
});

function urlOf(parts: { host?: string; name?: string; credentials?: string; query?: string }): string {
  const credentials = parts.credentials ?? `${user}:${encodeURIComponent(password)}`;
  const host = parts.host ?? `127.0.0.1:${server.port}`;
  return `postgres://${credentials}@${host}/${parts.name ?? "of%20tests"}${parts.query ?? ""}`;
}

interface Session {
  readonly user: string;
  readonly encrypted: boolean;
  readonly client: string | null;
  readonly timeout: string;
  readonly application: string;
}

const question = `select current_user as user, ssl as encrypted, client_dn as client,
  current_setting('statement_timeout') as timeout, current_setting('application_name') as application
  from pg_stat_ssl where pid = pg_backend_pid()`;

/** What both drivers connect to. */
async function sessionsOf(url: string): Promise<readonly Session[]> {
  const sql = openDriver(url, { max: 1, applicationName: "tenant-secrets" });
  const pool = await createPool(url, 1, () => {});
  onTestFinished(async () => {
    await Promise.all([sql.end({ timeout: 1 }), pool.end()]);
  });
  return [...(await sql.unsafe<Session[]>(question)), ...(await pool.query<Session>(question)).rows];
}

const file = (name: string): string => encodeURIComponent(path.join(directory, name));

/** By the first column of the table. */
const served: Readonly<Record<string, readonly [url: () => string, session: Partial<Session>]>> = {
  "a password with `%` written `%25`": [() => urlOf({}), { user, encrypted: false }],
  "`#`, `/`, `?`, `@` or `:` as it is in a password": [
    () => urlOf({ credentials: `${user}:fake%25/#?@:p%C3%A4ssword` }),
    { user },
  ],
  "`host1:5432,host2:5433`": [() => urlOf({ host: `127.0.0.1:1,127.0.0.1:${server.port}` }), { user }],
  "`?host=/tmp&port=5433`": [
    () => urlOf({ host: "", query: `?host=${directory}&port=${server.port}` }),
    { user, encrypted: false },
  ],
  "`%2Ftmp` as the host": [
    () => urlOf({ host: `${encodeURIComponent(directory)}:${server.port}`, query: "?sslmode=verify-full" }),
    { user, encrypted: false },
  ],
  "`sslmode=disable`": [() => urlOf({ query: "?sslmode=disable" }), { encrypted: false }],
  "`sslmode=no-verify`": [() => urlOf({ query: "?sslmode=no-verify" }), { encrypted: true }],
  "`sslmode=require`": [() => urlOf({ query: "?sslmode=require" }), { encrypted: true }],
  "`sslmode=verify-ca`": [
    () =>
      urlOf({ host: `localhost:${server.port}`, query: `?sslmode=verify-ca&sslrootcert=${file("ca.pem")}` }),
    { encrypted: true },
  ],
  "`sslmode=verify-full`": [
    () => urlOf({ query: `?sslmode=verify-full&sslrootcert=${file("ca.pem")}` }),
    { encrypted: true },
  ],
  "`sslrootcert=/path/ca.pem`": [
    () => urlOf({ query: `?sslmode=require&sslrootcert=${file("ca.pem")}` }),
    { encrypted: true },
  ],
  "`sslcert=…&sslkey=…`": [
    () =>
      urlOf({
        query: `?sslmode=require&sslcert=${file("client.pem")}&sslkey=${file("fake-client-key.pem")}`,
      }),
    { client: "/CN=tenant_secrets_application" },
  ],
  "`channel_binding=require`": [
    () => urlOf({ query: `?sslmode=require&channel_binding=require&sslrootcert=${file("ca.pem")}` }),
    { encrypted: true },
  ],
  "`channel_binding=prefer`, `gssencmode=disable`, `sslnegotiation=postgres`": [
    () => urlOf({ query: "?channel_binding=prefer&gssencmode=disable&sslnegotiation=postgres" }),
    { user },
  ],
  "`target_session_attrs=read-write` or `primary`": [
    () => urlOf({ query: "?target_session_attrs=read-write" }),
    { user },
  ],
  "`connect_timeout=10`": [() => urlOf({ query: "?connect_timeout=10" }), { user }],
  "`keepalives=1&keepalives_idle=30`": [() => urlOf({ query: "?keepalives=1&keepalives_idle=30" }), { user }],
  "`application_name=…`": [
    () => urlOf({ query: "?application_name=of%20tests" }),
    { application: "of tests" },
  ],
  "`options=-c%20statement_timeout%3D3s`": [
    () => urlOf({ query: "?options=-c%20statement_timeout%3D3s" }),
    { timeout: "3s" },
  ],
  "`prepare=false`, or `pgbouncer=true`": [() => urlOf({ query: "?pgbouncer=true" }), { user }],
  "`schema=public`": [() => urlOf({ query: "?schema=public" }), { user }],
};

const refused: Readonly<Record<string, readonly [url: () => string, message: RegExp]>> = {
  "a `%` that begins no encoded character": [
    () => urlOf({ credentials: `${user}:fake%secret` }),
    /^DATABASE_LISTENER_URL has a % in its password that begins no encoded character/,
  ],
  "white space, a line break, quotation marks": [
    () => `"${urlOf({})}"\r`,
    /^DATABASE_LISTENER_URL holds white space or a control character/,
  ],
  "no user, host or database": [
    () => `postgres://127.0.0.1:${server.port}/postgres`,
    /^DATABASE_LISTENER_URL names no user; PGUSER is not read/,
  ],
  "`sslmode=prefer`, `allow`": [
    () => urlOf({ query: "?sslmode=prefer" }),
    /^DATABASE_LISTENER_URL has sslmode=prefer, which continues unencrypted/,
  ],
  "`schema=` anything else": [
    () => urlOf({ query: "?schema=tenants" }),
    /^DATABASE_LISTENER_URL has a schema other than public/,
  ],
  "a parameter that is not in this table": [
    () => urlOf({ query: "?connection_limit=1" }),
    /^DATABASE_LISTENER_URL has a parameter that is not understood; understood are host, port,/,
  ],
  "a wrong password": [
    () => urlOf({ credentials: `${user}:fake-wrong` }),
    /^DATABASE_LISTENER_URL: the server does not accept the password of its role \(28P01\)/,
  ],
  "no password where the server asks for one": [
    () => urlOf({ credentials: user }),
    /^DATABASE_LISTENER_URL: the server asks for a password and the URL has none; PGPASSWORD is not read/,
  ],
  "a database that is not there": [
    () => urlOf({ name: "nowhere" }),
    /^DATABASE_LISTENER_URL: the server has no such database \(3D000\)/,
  ],
  "TLS with a server that has none": [
    () => urlOf({ host: `127.0.0.1:${clear.port}`, query: "?sslmode=require" }),
    /^DATABASE_LISTENER_URL: its sslmode asks for TLS and the server has none \(SSL_NOT_SUPPORTED\)/,
  ],
  "a certificate of another CA": [
    () => urlOf({ query: `?sslmode=verify-full&sslrootcert=${file("other-ca.pem")}` }),
    /^DATABASE_LISTENER_URL: the certificate of the server is not accepted; sslrootcert names the file of its CA/,
  ],
  "a certificate of another name": [
    () =>
      urlOf({
        host: `localhost:${server.port}`,
        query: `?sslmode=verify-full&sslrootcert=${file("ca.pem")}`,
      }),
    /^DATABASE_LISTENER_URL: the certificate of the server is for another name than the host in the URL/,
  ],
  "a host whose name is not known": [
    () => urlOf({ host: "no-such-host.invalid" }),
    /^DATABASE_LISTENER_URL: the name of its host is not known|^The server of DATABASE_LISTENER_URL cannot/,
  ],
};

const pgVariables = {
  PGHOST: "no-such-host.invalid",
  PGPORT: "1",
  PGUSER: "nobody",
  PGPASSWORD: "fake-of-the-environment",
  PGDATABASE: "nowhere",
  PGSSLMODE: "verify-full",
  PGSSL: "verify-full",
  PGAPPNAME: "environment",
  PGPREPARE: "false",
  PGTARGETSESSIONATTRS: "any",
  PGCONNECT_TIMEOUT: "0",
};

const limit = { timeout: 180_000 };

test.each(Object.keys(served))("%s is served", limit, async (row) => {
  const [url, session] = served[row] ?? [];
  if (url === undefined || session === undefined) throw new Error("There is no such row.");
  // Nothing of the environment changes what a URL says.
  for (const [name, value] of Object.entries(pgVariables)) vi.stubEnv(name, value);
  expect(await sessionsOf(url())).toMatchObject([session, session]);
  expect(await inspectConnection({ variable: "DATABASE_URL", url: url(), connections: 2 })).toMatchObject({
    isPooled: false,
  });
});

test.each(Object.keys(refused))("%s is refused with the variable's name and the rule", limit, async (row) => {
  const [url, message] = refused[row] ?? [];
  if (url === undefined || message === undefined) throw new Error("There is no such row.");
  for (const [name, value] of Object.entries(pgVariables)) vi.stubEnv(name, value);
  const error: unknown = await inspectConnection({
    variable: "DATABASE_LISTENER_URL",
    url: url(),
    connections: 2,
  }).catch((thrown: unknown) => thrown);
  const text = error instanceof Error ? error.message : "";
  expect(error).toMatchObject({ name: "ConnectionProblem" });
  expect(text).toMatch(message);
  expect(text).not.toMatch(/fake|no-such-host/);
});

test("the page has a row for each of these, and no other", () => {
  const text = readFileSync(page, "utf8");
  const table = text.slice(text.indexOf("### Database URLs"));
  const rows = [...table.slice(0, table.indexOf("\n##", 4)).matchAll(/^\| (.*?) \| /gm)]
    .map(([, first]) => first)
    .filter((first) => first !== "In the URL" && first !== "Refused");
  expect(new Set(rows)).toEqual(new Set([...Object.keys(served), ...Object.keys(refused)]));
  expect(rows).toHaveLength(new Set(rows).size);
});
