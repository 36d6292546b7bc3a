import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  allow,
  makeCompany,
  type PlainServer,
  type RegionServer,
  replicate,
  type Replication,
  startRegion,
  startServer,
  writeSecret,
} from "../testing/two-regions.ts";
import { databaseUrl } from "../url.ts";
import { dropExport } from "./export.ts";
import { unpublishCopies } from "./publish.ts";
import { unsubscribeFromCopies } from "./subscribe.ts";

const route = { home: "eu", target: "us" };

let home: RegionServer & { stop(): Promise<void> };
let target: RegionServer & { stop(): Promise<void> };
let exporting: PlainServer;
let replication: Replication;
/** May be in us. */
let allowed: string;
/** May not be. */
let pinned: string;

beforeAll(async () => {
  [home, target, exporting] = await Promise.all([startRegion(), startRegion(), startServer()]);
  replication = await replicate({ home, exporting, target }, route);
  pinned = await makeCompany(home, "eu", "canary-of-the-pinned");
  allowed = await makeCompany(home, "eu", "canary-of-the-allowed");
  await allow(home, allowed, "us");
  await writeSecret(home, pinned, "sealed-canary-of-the-pinned-again");
  await leaveHistory(pinned, "canary-of-the-pinned");
  await leaveHistory(allowed, "canary-of-history");
}, 180_000);

afterAll(async () => {
  await replication.exportSql.end({ timeout: 1 });
  await Promise.all([home.stop(), target.stop(), exporting.stop()]);
}, 60_000);

/** What a company has at home beside its current values: earlier ones, with the last four characters of each. */
async function leaveHistory(company: string, canary: string): Promise<void> {
  await home.sql`insert into company_secret_versions (company_id, secret_key, version, value_encrypted, company_key_version, last_four, note, actor_kind, actor_id)
    values (${company}, 'CUSTOM_KEY', 1, ${`earlier-${canary}`}, 1, ${`hint-${canary}`}, ${`note-${canary}`}, 'operator', 'test')`;
}

/** As the role of the other region, which knows its URL and nothing else. */
async function asForeigner<T>(
  database: string | undefined,
  work: (sql: postgres.Sql) => Promise<T>,
): Promise<T> {
  const { exportUrl } = replication;
  const url = database === undefined ? exportUrl : databaseUrl(exportUrl, database);
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => "done",
    (error: unknown) => (error instanceof postgres.PostgresError ? error.code : String(error)),
  );

/** All files of a server: what a physical copy of it has. */
function filesOf(server: Pick<PlainServer, "dataDir">): Buffer {
  const cluster = path.join(server.dataDir, "cluster");
  const files = readdirSync(cluster, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Buffer.concat(files.map((file) => readFileSync(path.join(file.parentPath, file.name))));
}

test("the role of another region decodes its own companies by a slot of its own, and no other", async () => {
  await expect
    .poll(() => target.sql`select kind from region_copies where company_id = ${allowed}`, { timeout: 30_000 })
    .toHaveLength(3);
  const changes = await asForeigner(undefined, async (sql) => {
    await sql`select pg_create_logical_replication_slot('spy', 'pgoutput')`;
    await writeSecret(home, pinned, "sealed-canary-of-the-pinned-once-more");
    await writeSecret(home, allowed, "sealed-canary-of-the-allowed-decoded");
    const decode = () => sql<{ data: Buffer }[]>`
      select data from pg_logical_slot_peek_binary_changes('spy', null, null, 'proto_version', '4', 'publication_names', 'copies', 'messages', 'true')`;
    await expect
      .poll(async () => Buffer.concat((await decode()).map(({ data }) => data)).includes("allowed-decoded"), {
        timeout: 30_000,
      })
      .toBe(true);
    const all = Buffer.concat((await decode()).map(({ data }) => data));
    await sql`select pg_drop_replication_slot('spy')`;
    return all;
  });
  expect(changes.includes("canary-of-the-allowed")).toBe(true);
  expect(changes.includes("canary-of-the-pinned")).toBe(false);
  expect(changes.includes(pinned)).toBe(false);
});

test("by a slot that no publication filters it decodes all that the export's server writes, and finds no other company", async () => {
  const changes = await asForeigner(undefined, async (sql) => {
    await sql`select pg_create_logical_replication_slot('spy', 'test_decoding')`;
    await writeSecret(home, pinned, "sealed-canary-of-the-pinned-to-all");
    await writeSecret(home, allowed, "sealed-canary-of-the-allowed-to-all");
    const decode = async () => {
      const rows = await sql<
        { data: string }[]
      >`select data from pg_logical_slot_peek_changes('spy', null, null)`;
      return rows.map(({ data }) => data).join("\n");
    };
    await expect.poll(decode, { timeout: 30_000 }).toContain("canary-of-the-allowed-to-all");
    const all = await decode();
    await sql`select pg_drop_replication_slot('spy')`;
    return all;
  });
  for (const text of ["canary-of-the-pinned", pinned, "canary-of-history"])
    expect(changes).not.toContain(text);
});

test("it reads its own tables, and neither other databases nor the password of the role that reads the home", async () => {
  const rows = await asForeigner(undefined, (sql) => sql`select * from region_copies`);
  expect(JSON.stringify(rows)).toContain("canary-of-the-allowed");
  expect(JSON.stringify(rows)).not.toContain("canary-of-the-pinned");
  for (const database of ["postgres", "template1"])
    expect([database, await codeOf(asForeigner(database, (sql) => sql`select 1`))]).toEqual([
      database,
      "42501",
    ]);
  for (const statement of [
    "select subconninfo from pg_subscription",
    "select pg_read_file('postgresql.conf')",
    "delete from region_copies",
    "create table mine (id int)",
    "create publication mine for all tables",
    "set role postgres",
  ])
    expect([statement, await codeOf(asForeigner(undefined, (sql) => sql.unsafe(statement)))]).toEqual([
      statement,
      "42501",
    ]);
});

test("a physical copy of the export's server, which no rule keeps it from, has nothing of a company that is not allowed", async () => {
  // Also what is not written yet is in the files then.
  await replication.exportSql`checkpoint`;
  const files = filesOf(exporting);
  expect(files.includes("canary-of-the-allowed")).toBe(true);
  for (const text of ["canary-of-the-pinned", pinned, "canary-of-history"])
    expect(files.includes(text)).toBe(false);
  const { password } = new URL(replication.exportServer.exporterUrl);
  expect(password.length).toBeGreaterThan(20);
  expect(files.includes(password)).toBe(false);
});

test("data, WAL and log of the other region have nothing of a company that is not allowed", async () => {
  await target.sql`checkpoint`;
  const files = filesOf(target);
  expect(files.includes("canary-of-the-allowed")).toBe(true);
  for (const text of ["canary-of-the-pinned", pinned, "canary-of-history"])
    expect(files.includes(text)).toBe(false);
  // They are found where they are.
  await home.sql`checkpoint`;
  const atHome = filesOf(home);
  for (const text of ["hint-canary-of-the-pinned", "sub-canary-of-the-pinned", "canary-of-history"])
    expect(atHome.includes(text)).toBe(true);
});

test("a physical copy is open to every role that may stream changes, also where pg_hba.conf rejects replication", async () => {
  const hba = path.join(exporting.dataDir, "cluster/pg_hba.conf");
  writeFileSync(hba, `host replication all all reject\n${readFileSync(hba, "utf8")}`);
  await replication.exportSql`select pg_reload_conf()`;
  const connect = (mode: string) =>
    postgres(replication.exportUrl, {
      max: 1,
      fetch_types: false,
      onnotice: () => {},
      connection: { replication: mode },
    });
  const rejected = connect("true");
  await expect
    .poll(() => codeOf(rejected.unsafe("IDENTIFY_SYSTEM").simple()), { timeout: 30_000 })
    .toBe("28000");
  await rejected.end({ timeout: 1 });
  const sql = connect("database");
  try {
    const stream = await sql.unsafe("BASE_BACKUP ( CHECKPOINT 'fast' )").simple().readable();
    let bytes = 0;
    for await (const chunk of stream) bytes += Buffer.from(chunk).length;
    expect(bytes).toBeGreaterThan(10_000_000);
  } finally {
    await sql.end({ timeout: 1 });
  }
});

test("all of it can be ended, from the target to the home, and leaves no slot, role or copy behind", async () => {
  expect(await unsubscribeFromCopies(target.own, route)).toBe(3);
  await replication.exportSql.end({ timeout: 1 });
  await dropExport(exporting.server.superuserUrl, route);
  await unpublishCopies(home.own, route);
  expect(await target.sql`select from region_copies`).toHaveLength(0);
  expect(await home.sql`select from pg_replication_slots`).toHaveLength(0);
  expect(await home.sql`select from pg_roles where rolname = 'tenant_secrets_export_us'`).toHaveLength(0);
  const server = postgres(exporting.server.superuserUrl, { max: 1, onnotice: () => {} });
  expect(await server`select from pg_replication_slots`).toHaveLength(0);
  expect(await server`select from pg_roles where rolname like 'tenant_secrets_%'`).toHaveLength(0);
  await server.end();
  // What the home does goes on without it.
  await writeSecret(home, allowed, "sealed-canary-of-the-allowed-at-home");
});
