import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase, migrateDatabase, provisionDatabase, type Database } from "@repo/db";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "@repo/db/embedded";
import { createInfisicalClient } from "@repo/infisical";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AuditLog, createAuditLog, type SealedBatch, type SealerAlarm } from "@repo/audit-log";
import { createExportVerifier } from "@repo/audit-log/verify";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createFixture, operator, type Fixture } from "../testing/fixture.ts";
import { createAuditKeys } from "../keys/audit-keys.ts";
import { createMasterKeys } from "../keys/master/master-keys.ts";
import { assembleTenantSecrets } from "../assemble.ts";
import type { Assembly } from "../assembly/assembly.ts";

let here: Fixture;
let server: EmbeddedPostgres;
let database: Database;
let there: Assembly<typeof deliveryChatCatalog>;
let superuser: postgres.Sql;
let audit: AuditLog;
const directory = mkdtempSync(path.join(tmpdir(), "tenant-secrets-restore-"));

beforeAll(async () => {
  here = await createFixture();
  server = await startEmbeddedPostgres({ dataDir: directory, settings: { fsync: "off" } });
  const urls = await provisionDatabase({ superuserUrl: server.superuserUrl, database: "restored" });
  await migrateDatabase(urls.migration);
  database = connectDatabase({ applicationUrl: urls.application, maintenanceUrl: urls.maintenance });
  const infisical = createInfisicalClient({ ...here.emulator, environment: "dev" });
  there = assembleTenantSecrets({ database, infisical, catalog: deliveryChatCatalog });
  audit = createAuditLog(
    database,
    createAuditKeys(database, createMasterKeys(database, infisical, "default")),
  );
  superuser = postgres(new URL("/restored", server.superuserUrl).href, { max: 2, onnotice: () => {} });
}, 60_000);
afterAll(async () => {
  await Promise.all([database.close(), superuser.end()]);
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

const restored = [
  "companies",
  "master_keys",
  "audit_keys",
  "audit_key_wraps",
  "audit_events",
  "audit_checkpoints",
];

/** What pg_dump and pg_restore do with these tables. */
async function restore(from: postgres.Sql, to: postgres.Sql): Promise<void> {
  await to.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    for (const name of restored) {
      const rows = await from.unsafe(`select coalesce(json_agg(t), '[]')::text as rows from ${name} t`);
      await sql.unsafe(`delete from ${name}`);
      await sql.unsafe(
        `insert into ${name} overriding system value select * from json_populate_recordset(null::${name}, $1::text::json)`,
        [String(rows[0]?.["rows"])],
      );
    }
    const [next] = await from`select last_value::text as value from audit_events_position_seq`;
    await sql`select setval('audit_events_position_seq', ${String(next?.["value"])}::bigint)`;
  });
}

test("an audit log restored on another server continues there, loses no event, and documents the restore", async () => {
  const checkpoints: SealedBatch[] = [];
  const alarms: SealerAlarm[] = [];
  const sealer = (secrets: typeof there) =>
    secrets.createSealer({
      onSealed: (batch) => checkpoints.push(batch),
      onAlarm: (alarm) => alarms.push(alarm),
      heartbeatMs: 0,
      batchSize: 3,
    });
  const events = async (secrets: typeof there, count: number) => {
    for (let i = 0; i < count; i++) await secrets.companies.list(operator);
  };
  const sealAll = async (secrets: typeof there, sql: postgres.Sql) => {
    for (const sealing = sealer(secrets); ;) {
      await sealing.tick();
      const [row] = await sql`
        select count(*)::int as left from audit_events, (select to_xid, floor from audit_checkpoints order by index desc limit 1) b
        where position > floor and xid >= to_xid`;
      if (row?.["left"] === 0) return;
      await sleep(20);
    }
  };
  const company = await here.company("database");
  await events(here.secrets, 10);
  await sealAll(here.secrets, here.superuser);
  // Not sealed before the dump.
  await events(here.secrets, 4);
  await restore(here.superuser, superuser);
  const batchesBefore = checkpoints.length;

  await audit.ready();
  // The restored server serves before its sealer runs, in transactions whose ids were used on the other server.
  await there.companies.rename(operator, company, { subdomain: "renamed" });
  const [begun, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  // It adds one event with a position below the floor, which is not visible yet, and one above.
  const long = database.acrossCompanies(async (statements) => {
    const add = () =>
      audit.recordInTransaction(statements, operator, { action: "company.list", outcome: "success" });
    await add();
    begun.resolve();
    await over.promise;
    await add();
  });
  await begun.promise;
  await events(there, 3);
  // A sealer stores its starting point and dies before it can start: the transaction that it waits for is still open.
  expect(await sealer(there).tick()).toBeUndefined();
  await events(there, 2);
  over.resolve();
  await long;
  await sealAll(there, superuser);
  await events(there, 5);
  await sealAll(there, superuser);

  expect(new Set(alarms.map(({ code }) => code))).toEqual(new Set(["AUDIT_RESTORED"]));
  expect(alarms[0]?.message).toContain(`sealed up to batch ${batchesBefore} there, and is sealed on here`);
  const [row] = await superuser`
    select count(*)::int as sealed, count(distinct substring(leaves from 48 * i + 1 for 16))::int as once,
      (select count(*)::int from audit_events) as events, count(distinct cluster)::int as clusters
    from audit_checkpoints, generate_series(0, size - 1) i`;
  expect(row).toMatchObject({ sealed: row?.["events"], once: row?.["events"], clusters: 2 });

  const verify = async () => {
    const { findings, notices } = await there.audit.verify(operator, { checkpoints, settledAfterMs: 0 });
    return { kinds: Object.fromEntries(findings.map(({ kind, count }) => [kind, count])), notices };
  };
  const sound = await verify();
  expect(sound.kinds).toEqual({});
  expect(sound.notices).toEqual([
    expect.stringMatching(/^The database was restored on another server: batch \d+ is the last of cluster/),
  ]);

  // The events under the restore marker are proven like any others.
  await sealAll(there, superuser);
  const verifier = createExportVerifier(await there.audit.publicKeys(operator));
  const page = await there.audit.export(operator, {
    company: "renamed",
    from: new Date(0),
    to: new Date(Date.now() + 1000),
  });
  const proven = page.lines
    .map((line) => verifier.add(line)?.action)
    .filter((action) => action !== undefined);
  expect(proven).toEqual(["company.create", "company.rename"]);

  // Events from before, during and after the restore can be neither removed nor added.
  for (const [statement, kind] of [
    ["delete from audit_events where position = (select min(position) from audit_events)", "event-removed"],
    ["delete from audit_events where action = 'company.rename'", "event-removed"],
    ["update audit_events set outcome = 'failed' where action = 'company.rename'", "event-changed"],
    [
      "insert into audit_events overriding system value select (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid()))).* from audit_events e where action = 'company.rename'",
      "event-inserted",
    ],
    [
      "insert into audit_events overriding system value select (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid(), 'xid', '9999999999'))).* from audit_events e where action = 'company.rename'",
      "event-inserted",
    ],
    [
      "insert into audit_events overriding system value select (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid(), 'position', 1))).* from audit_events e where action = 'company.rename'",
      "event-inserted",
    ],
  ] as const) {
    await superuser.begin(async (sql) => {
      await sql`set local session_replication_role = replica`;
      await sql`create table kept as select * from audit_events`;
      await sql.unsafe(statement);
    });
    expect((await verify()).kinds, statement).toMatchObject({ [kind]: 1 });
    await superuser.begin(async (sql) => {
      await sql`set local session_replication_role = replica`;
      await sql`delete from audit_events where action <> 'audit.verify' or id in (select id from kept)`;
      await sql`insert into audit_events overriding system value select * from kept`;
      await sql`drop table kept`;
    });
  }
  expect((await verify()).kinds).toEqual({});
}, 60_000);
