import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { databaseUrl, parseDatabaseUrl } from "./url.ts";

const served: readonly (readonly [url: string, expected: object])[] = [
  ["postgres://u:p@h/db", { user: "u", password: "p", database: "db", hosts: [{ name: "h", port: 5432 }] }],
  ["postgresql://u@h:6543/db", { user: "u", password: "", hosts: [{ name: "h", port: 6543 }] }],
  ["postgres://u:a%25b%23c%2Fd%3Fe%40f%3Ag@h/db", { password: "a%b#c/d?e@f:g" }],
  ["postgres://u:a#b/c?d:e@h/db", { password: "a#b/c?d:e" }],
  ["postgres://u:a@b@h/db", { password: "a@b", hosts: [{ name: "h", port: 5432 }] }],
  ["postgres://u:p@h/db?application_name=a@b", { password: "p", applicationName: "a@b" }],
  [
    "postgres://u:p@h1:1,h2:2,h3/db",
    {
      hosts: [
        { name: "h1", port: 1 },
        { name: "h2", port: 2 },
        { name: "h3", port: 5432 },
      ],
    },
  ],
  ["postgres://u:p@[::1]:6543/db", { hosts: [{ name: "::1", port: 6543 }] }],
  ["postgres://u:p@/db?host=/tmp&port=6543", { isSocket: true, hosts: [{ name: "/tmp", port: 6543 }] }],
  [
    "postgres://u:p@/db?host=/cloudsql/project:region:db",
    { hosts: [{ name: "/cloudsql/project:region:db", port: 5432 }] },
  ],
  ["postgres://u:p@%2Ftmp/db", { isSocket: true, hosts: [{ name: "/tmp", port: 5432 }] }],
  ["postgres://u:p@h/d%20b", { database: "d b" }],
  [
    "postgres://u:p@h/db",
    { tls: undefined, prepare: true, primaryOnly: false, connectTimeoutSeconds: 5, keepAliveSeconds: 60 },
  ],
  ["postgres://u:p@h/db?sslmode=disable", { tls: undefined }],
  ["postgres://u:p@h/db?sslmode=require", { tls: { verify: "nothing", ca: undefined, identity: undefined } }],
  [
    "postgres://u:p@h/db?sslmode=no-verify",
    { tls: { verify: "nothing", ca: undefined, identity: undefined } },
  ],
  ["postgres://u:p@h/db?sslmode=verify-ca", { tls: { verify: "chain", ca: undefined, identity: undefined } }],
  [
    "postgres://u:p@h/db?sslmode=verify-full",
    { tls: { verify: "full", ca: undefined, identity: undefined } },
  ],
  ["postgres://u:p@h/db?sslrootcert=system", { tls: { verify: "full", ca: undefined, identity: undefined } }],
  [
    "postgres://u:p@h/db?sslmode=require&channel_binding=require",
    { tls: { verify: "full", ca: undefined, identity: undefined } },
  ],
  [
    "postgres://u:p@h/db?channel_binding=prefer&gssencmode=disable&sslnegotiation=postgres",
    { tls: undefined },
  ],
  ["postgres://u:p@h/db?schema=public", { database: "db" }],
  ["postgres://u:p@h/db?pgbouncer=true", { prepare: false }],
  ["postgres://u:p@h/db?prepare=false", { prepare: false }],
  ["postgres://u:p@h/db?pgbouncer=true&prepare=true", { prepare: true }],
  ["postgres://u:p@h/db?target_session_attrs=read-write", { primaryOnly: true }],
  ["postgres://u:p@h1,h2/db", { primaryOnly: true }],
  ["postgres://u:p@h1,h2/db?target_session_attrs=any", { primaryOnly: false }],
  [
    "postgres://u:p@h/db?connect_timeout=20&keepalives_idle=30",
    { connectTimeoutSeconds: 20, keepAliveSeconds: 30 },
  ],
  ["postgres://u:p@h/db?keepalives=0", { keepAliveSeconds: 0 }],
  ["postgres://u:p@h/db?options=-c%20statement_timeout%3D3s", { options: "-c statement_timeout=3s" }],
  ["postgres://u:p@h/db?options=project%3Dep-cool", { options: "project=ep-cool" }],
];

test.each(served)("understands %s", (url, expected) => {
  expect(parseDatabaseUrl(url)).toMatchObject(expected);
});

const refused: readonly (readonly [url: string, rule: RegExp])[] = [
  ["mysql://u:fake-secret@h/db", /^does not begin with postgres/],
  ['"postgres://u:fake-secret@h/db"', /^does not begin with postgres/],
  ["postgres://u:fake-secret@h/db\r", /^holds white space or a control character/],
  ["postgres://u:fake secret@h/db", /^holds white space/],
  ["\ufeffpostgres://u:fake-secret@h/db", /^holds white space/],
  ["postgres://h/db", /^names no user; PGUSER is not read/],
  ["postgres://u:fake-secret@/db", /^names no host; PGHOST is not read/],
  ["postgres://u:fake-secret@h", /^names no database; PGDATABASE is not read/],
  ["postgres://u:fake%secret@h/db", /^has a % in its password .* %25/],
  ["postgres://u:fake%00secret@h/db", /^has a NUL in its password/],
  ["postgres://u:fake-secret@h:notaport/db", /^is not of the form/],
  ["postgres://u:fake-secret@h:70000/db", /^is not of the form/],
  ["postgres://u:fake@secret/x?y@h/db", /^is not of the form .* %25/],
  ["postgres://u:fake-secret@h/db#fragment", /^is not of the form/],
  ["postgres://u:fake-secret@h/db?sslmode=prefer", /^has sslmode=prefer, which continues unencrypted/],
  ["postgres://u:fake-secret@h/db?sslmode=on", /^has a sslmode other than/],
  [
    "postgres://u:fake-secret@h/db?sslmode=verify-full&sslrootcert=/nowhere",
    /^names a file with sslrootcert that cannot be read/,
  ],
  ["postgres://u:fake-secret@h/db?sslmode=require&sslrootcert=system", /^has sslrootcert=system without/],
  ["postgres://u:fake-secret@h/db?sslrootcert=/ca.pem", /^asks for certificates without a sslmode/],
  ["postgres://u:fake-secret@h/db?channel_binding=require", /^asks for certificates without a sslmode/],
  ["postgres://u:fake-secret@h/db?sslmode=require&sslcert=/c.pem", /^has one of sslcert and sslkey/],
  ["postgres://u:fake-secret@h/db?schema=other", /^has a schema other than public/],
  [
    "postgres://u:fake-secret@h/db?connection_limit=1",
    /^has a parameter that is not understood; understood are host, port/,
  ],
  ["postgres://u:fake-secret@h/db?__proto__=1", /^has a parameter that is not understood/],
  ["postgres://u:fake-secret@h/db?prepare=no", /^has a prepare other than true, false/],
  [
    "postgres://u:fake-secret@h/db?connect_timeout=0",
    /^has a connect_timeout that is no whole number from 1 to 120/,
  ],
  ["postgres://u:fake-secret@h/db?port=1&port=2", /^has port twice/],
  ["postgres://u:fake-secret@h/db?host=/tmp", /^names its host twice/],
  ["postgres://u:fake-secret@/db?host=/tmp,h", /^names a Unix socket and other hosts/],
  ["postgres://u:fake-secret@h/db?target_session_attrs=standby", /^has a target_session_attrs other than/],
];

test.each(refused)("refuses %j by a rule that quotes nothing of it", (url, rule) => {
  let message = "";
  try {
    parseDatabaseUrl(url);
  } catch (error) {
    message = error instanceof Error ? error.message : "";
    expect(error).toMatchObject({ name: "DatabaseUrlError" });
  }
  expect(message).toMatch(rule);
  expect(message).not.toMatch(/fake|secret/);
});

test("refuses a file of certificates that holds none", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "no-certificate-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, "ca.pem");
  writeFileSync(file, "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n");
  expect(() => parseDatabaseUrl(`postgres://u@h/db?sslmode=verify-ca&sslrootcert=${file}`)).toThrow(
    "names a file with sslrootcert that holds no certificate in PEM form",
  );
});

test("writes another role into a URL of any form, and reads the same back", () => {
  for (const url of ["postgres://u:a#b/c@h1:1,h2:2/db?sslmode=require", "postgres://u@/db?host=/tmp"]) {
    const changed = databaseUrl(url, "other", { user: "role", password: "p%/#@:?w" });
    expect(parseDatabaseUrl(changed)).toEqual({
      ...parseDatabaseUrl(url),
      database: "other",
      user: "role",
      password: "p%/#@:?w",
    });
    expect(parseDatabaseUrl(databaseUrl(url, "other")).password).toBe(parseDatabaseUrl(url).password);
  }
});
