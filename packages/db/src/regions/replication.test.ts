import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectDatabase, type Database } from "../connect.ts";
import { writePasswordFile } from "../embedded/index.ts";
import { listenForChanges } from "../changes.ts";
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
import { createSecretHeads } from "../secret-heads.ts";
import { readCopiedSecrets } from "./read-copies.ts";
import { faultsOf, type RouteFault } from "./faults.ts";
import { publishCopies } from "./publish.ts";
import { readExportState, readHomeState, readTargetState } from "./status.ts";
import { resyncCopies } from "./subscribe.ts";
import { resyncExport, setUpExport } from "./export.ts";

const route = { home: "eu", target: "us-east" };
const deadlineMs = 60_000;

let home: RegionServer & { stop(): Promise<void> };
let target: RegionServer & { stop(): Promise<void> };
let exporting: PlainServer;
let replication: Replication;
/** Copied since before the replication began. */
let early: string;

beforeAll(async () => {
  [home, target, exporting] = await Promise.all([startRegion(), startRegion(), startServer()]);
  early = await makeCompany(home, "eu", "early");
  await home.sql`insert into regions (region, address, transport_key_version, transport_key, signing_key_version, signing_key, revision, mac_key_version, mac)
    values ('us-east', 'https://us.example.com', 1, ${"A".repeat(43)}, 1, ${"A".repeat(43)}, 1, 1, '')`;
  await allow(home, early, "us-east");
  replication = await replicate({ home, exporting, target }, route);
}, 180_000);

afterAll(async () => {
  await replication.exportSql.end({ timeout: 1 });
  await Promise.all([home.stop(), target.stop(), exporting.stop()]);
}, 60_000);

interface Arrived {
  readonly kind: string;
  readonly body: string;
  readonly epoch: number;
}

async function arrivedOf(company: string): Promise<readonly Arrived[]> {
  return target.sql<Arrived[]>`
    select kind, body, home_epoch as epoch from region_copies where company_id = ${company} order by kind`;
}

const kindsOf = async (company: string) => (await arrivedOf(company)).map(({ kind }) => kind);
const secretOf = async (company: string) =>
  (await arrivedOf(company)).find(({ kind }) => kind === "secret")?.body;

async function faults(): Promise<readonly RouteFault[]> {
  await home.sql`select beat_regions('eu')`;
  return faultsOf({
    home: await readHomeState(home.sql, route),
    exported: await readExportState(replication.exportSql, route),
    target: await readTargetState(target.sql, route),
    now: new Date(),
  });
}

const polling = { timeout: deadlineMs, interval: 50 };
const eventually = (read: () => Promise<unknown>) => expect.poll(read, polling);
const isHealthy = () => eventually(faults).toEqual([]);

/** What was changed last at home has arrived. */
async function settled(): Promise<void> {
  await home.sql`select beat_regions('eu')`;
  const [beat] = await home.sql<
    { at: Date }[]
  >`select beat_at as at from region_beats where target_region = 'us-east'`;
  await eventually(async () => {
    const { beatAt } = await readTargetState(target.sql, route);
    return beatAt !== undefined && beat !== undefined && beatAt >= beat.at;
  }).toBe(true);
}

describe("copies of a company", () => {
  test("that were there before are all in the first copy", async () => {
    await expect.poll(() => kindsOf(early), polling).toEqual(["company", "key", "secret"]);
    await isHealthy();
  });

  test("arrive when the company is allowed in the region, follow its changes, and go with its permission", async () => {
    const company = await makeCompany(home, "eu", "following");
    await allow(home, company, "us-east");
    await eventually(() => kindsOf(company)).toEqual(["company", "key", "secret"]);
    await writeSecret(home, company, "sealed-changed");
    await eventually(() => secretOf(company)).toContain("sealed-changed");
    await home.sql`update company_secrets set deleted_at = now() where company_id = ${company}`;
    await eventually(() => kindsOf(company)).toEqual(["company", "key"]);
    await home.sql`delete from company_regions where company_id = ${company}`;
    await expect.poll(() => kindsOf(company), polling).toEqual([]);
    await isHealthy();
  });

  test("tell the caches of the region of each change", async () => {
    const company = await makeCompany(home, "eu", "heard");
    const heard: string[] = [];
    const listener = await listenForChanges({
      listenerUrl: target.urls.listener,
      onChange: (change) => {
        if ("companyId" in change && change.companyId === company) heard.push(change.subject);
      },
      onGap: () => {},
    });
    try {
      await allow(home, company, "us-east");
      await eventually(async () => heard.toSorted()).toEqual(["company", "company-keys", "company-secrets"]);
      await writeSecret(home, company, "sealed-again");
      await eventually(async () => heard.length).toBe(4);
      await home.sql`delete from company_regions where company_id = ${company}`;
      await expect.poll(() => heard.length, polling).toBe(7);
    } finally {
      await listener.stop();
    }
  });

  test("are seen by the company's scope alone, although they are written past row-level security", async () => {
    const { application: applicationUrl, maintenance: maintenanceUrl } = target.urls;
    const database = connectDatabase({ applicationUrl, maintenanceUrl, maxConnections: 1 });
    const select = "select company_id from region_copies";
    try {
      const own = await database.inCompany(early, (statements) => statements.execute(select));
      expect(new Set(own.map((row) => row["company_id"]))).toEqual(new Set([early]));
      expect(await database.outsideCompanies((sql) => sql.unsafe(select))).toHaveLength(0);
    } finally {
      await database.close();
    }
  });
});

describe("reading a copy", () => {
  let database: Database;
  beforeAll(() => {
    const { application: applicationUrl, maintenance: maintenanceUrl } = target.urls;
    database = connectDatabase({ applicationUrl, maintenanceUrl, maxConnections: 2 });
  });
  afterAll(() => database.close());
  const read = async (company: string, secretKey = "CUSTOM_KEY") => {
    const rows = await readCopiedSecrets(database, "us-east", [{ companyId: company, secretKey }]);
    return rows.at(0);
  };

  test("answers with the head as it is at home, down to the MAC, and up to when it is complete", async () => {
    const company = await makeCompany(home, "eu", "read");
    await home.sql`update company_secrets set expires_at = '2027-01-01', pending_version = 1, canary = '{"version":1,"beside":1,"percent":10,"until":"2026-12-01T00:00:00.000Z"}',
      grace_windows = '[{"version":1,"until":"2026-12-01T00:00:00.000Z"}]' where company_id = ${company}`;
    await allow(home, company, "us-east");
    await settled();
    const atHome = connectDatabase({
      applicationUrl: home.urls.application,
      maintenanceUrl: home.urls.maintenance,
      maxConnections: 1,
    });
    const expected = await createSecretHeads(atHome)(company, "CUSTOM_KEY");
    await atHome.close();
    const copy = await read(company);
    expect(expected).toBeDefined();
    expect(copy?.head).toEqual(expected);
    expect(copy).toMatchObject({ homeRegion: "eu", homeEpoch: 1 });
    expect(Math.abs((copy?.beatAtMs ?? 0) - Date.now())).toBeLessThan(60_000);
  });

  test("finds none of a company that is not copied, of another region's, of a removed secret, or of an earlier home", async () => {
    const company = await makeCompany(home, "eu", "not-read");
    expect(await read(company)).toBeUndefined();
    await allow(home, company, "us-east");
    await expect.poll(() => read(company), polling).toBeDefined();
    expect(await read(company, "CUSTOM_OTHER")).toBeUndefined();
    expect(
      await readCopiedSecrets(database, "ap", [{ companyId: company, secretKey: "CUSTOM_KEY" }]),
    ).toEqual([]);
    await target.sql`update company_homes set home_region = 'ap', home_epoch = 2 where company_id = ${company}`;
    expect(await read(company)).toBeUndefined();
    await target.sql`update company_homes set home_region = 'eu', home_epoch = 1 where company_id = ${company}`;
    expect(await read(company)).toBeDefined();
    await home.sql`update company_secrets set deleted_at = now() where company_id = ${company}`;
    await expect.poll(() => read(company), polling).toBeUndefined();
  });

  test("has no head where the body is of another form", async () => {
    const company = await makeCompany(home, "eu", "malformed");
    await allow(home, company, "us-east");
    await expect.poll(() => read(company), polling).toBeDefined();
    for (const body of ["", "[]", "{}", `{"format":2}`]) {
      await target.sql`update region_copies set body = ${body} where company_id = ${company} and kind = 'secret'`;
      expect(await read(company)).toMatchObject({ companyId: company, head: undefined });
    }
    await home.sql`delete from company_regions where company_id = ${company}`;
  });
});

test("the earlier home takes no write once copies say that another region is the home", async () => {
  const company = await makeCompany(home, "eu", "written-elsewhere");
  const enter = async () => {
    const [row] = await home.sql<{ state: string }[]>`select enter_company(${company}, 1) as state`;
    return row?.state;
  };
  expect(await enter()).toBe("ok");
  await home.sql`insert into company_homes (company_id, home_region, home_epoch) values (${company}, 'us-east', 2)`;
  expect(await enter()).toBe("elsewhere us-east");
  // It has come back.
  await home.sql`update companies set home_epoch = 2 where id = ${company}`;
  await home.sql`update companies set home_epoch = 3 where id = ${company}`;
  expect(await enter()).toBe("ok");
});

/** Applies rows at the target as the subscription of a region would, without its fence being told apart from that. */
async function applyAs(subscription: string, statement: string): Promise<void> {
  await target.sql.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`select set_config('tenant_secrets.subscription', ${subscription}, true)`;
    await sql.unsafe(statement);
  });
}

async function refusalsOf(company: string) {
  const rows = await target.sql`
    select kind, operation, reason, count, home_epoch as epoch from region_refusals where company_id = ${company} order by kind`;
  return [...rows];
}

describe("the fence", () => {
  test("refuses what an earlier home still sends: insert, change and removal; and notes each", async () => {
    const company = await makeCompany(home, "eu", "moved");
    await allow(home, company, "us-east");
    await eventually(() => kindsOf(company)).toEqual(["company", "key", "secret"]);
    // Another region has become the home, with the next epoch. Its rows come by a subscription of its own.
    await applyAs(
      "copies_from_ap_to_us-east",
      `update region_copies set home_region = 'ap', home_epoch = 2, revision = 1 where company_id = '${company}'`,
    );
    await writeSecret(home, company, "sealed-by-the-earlier-home");
    await home.sql`insert into company_secrets (company_id, secret_key, secret_value_encrypted, company_key_version, current_version, last_version, origin, mac_key_version, mac)
      values (${company}, 'CUSTOM_NEW', 'sealed-by-the-earlier-home', 1, 1, 1, 'written', 1, '')`;
    await settled();
    const arrived = await arrivedOf(company);
    expect(arrived.map(({ kind, epoch }) => [kind, epoch])).toEqual([
      ["company", 2],
      ["key", 2],
      ["secret", 2],
    ]);
    expect(JSON.stringify(arrived)).not.toContain("earlier-home");
    expect(await refusalsOf(company)).toEqual([
      { kind: "secret", operation: "UPDATE", reason: "epoch", count: 1, epoch: 1 },
      { kind: "secret", operation: "INSERT", reason: "epoch", count: 1, epoch: 1 },
    ]);
    await home.sql`delete from company_regions where company_id = ${company}`;
    await settled();
    expect(await kindsOf(company)).toEqual(["company", "key", "secret"]);
    expect(await faults()).toContain("refused");
    // What stands behind a refused row arrives.
    await writeSecret(home, early, "sealed-behind");
    await eventually(() => secretOf(early)).toContain("sealed-behind");
    await target.sql`delete from region_refusals`;
    await target.sql`delete from region_copies where company_id = ${company}`;
    await isHealthy();
  });

  test("refuses an older state, another region's company, and a row for another region", async () => {
    const company = await makeCompany(home, "eu", "older");
    await allow(home, company, "us-east");
    await eventually(() => kindsOf(company)).toEqual(["company", "key", "secret"]);
    const from = "copies_from_eu_to_us-east";
    const change = (set: string) =>
      `update region_copies set ${set} where company_id = '${company}' and kind = 'secret'`;
    const before = await arrivedOf(company);
    const other = "copies_from_ap_to_us-east";
    for (const [via, statement, reason] of [
      [from, change("revision = 1, body = 'older'"), "revision"],
      [from, change("target_region = 'ap', body = 'elsewhere'"), "place"],
      [from, change("home_region = 'ap', body = 'not its own'"), "place"],
      [other, change("home_region = 'ap', body = 'of the same epoch'"), "home"],
      [other, `delete from region_copies where company_id = '${company}' and kind = 'secret'`, "place"],
    ] as const) {
      await applyAs(via, statement);
      expect([statement, (await refusalsOf(company)).map((row) => String(row["reason"]))]).toEqual([
        statement,
        [reason],
      ]);
      await target.sql`delete from region_refusals`;
    }
    expect(await arrivedOf(company)).toEqual(before);
    await isHealthy();
  });
});

describe("what goes wrong between two regions is named, and mended", () => {
  test("a row that was planted at the target", async () => {
    await target.sql`insert into region_copies (target_region, company_id, kind, name, home_region, home_epoch, revision, body)
      select target_region, company_id, kind, 'CUSTOM_PLANTED', home_region, home_epoch, 0, body from region_copies
      where company_id = ${early} and kind = 'secret'`;
    expect(await faults()).toContain("differs");
    await target.sql`delete from region_copies where name = 'CUSTOM_PLANTED'`;
    await isHealthy();
  });

  test("a row that was changed at the target, also where the change claims to be the latest", async () => {
    await target.sql`update region_copies set body = 'planted', revision = 9007199254740993 where company_id = ${early} and kind = 'secret'`;
    expect(await faults()).toContain("differs");
    await writeSecret(home, early, "sealed-after-planting");
    await settled();
    expect(await faults()).toEqual(expect.arrayContaining(["differs", "refused"]));
    await resyncCopies(target.own, route, replication);
    await eventually(() => secretOf(early)).toContain("sealed-after-planting");
    await target.sql`delete from region_refusals`;
    await isHealthy();
  });

  test("a row that is missing at the target, whose changes are skipped", async () => {
    await target.sql`delete from region_copies where company_id = ${early} and kind = 'secret'`;
    await writeSecret(home, early, "sealed-skipped");
    await settled();
    expect(await faults()).toContain("differs");
    await resyncCopies(target.own, route, replication);
    await eventually(() => secretOf(early)).toContain("sealed-skipped");
    await isHealthy();
  });

  test("a first copy that brought nothing, because the role that reads was let see nothing", async () => {
    await home.sql`drop policy exporter on region_copies`;
    await resyncExport(replication.exportServer, route);
    await eventually(faults).toEqual(expect.arrayContaining(["empty", "differs"]));
    await home.sql`create policy exporter on region_copies for select to tenant_secrets_exporter using (true)`;
    await resyncExport(replication.exportServer, route);
    await isHealthy();
  });

  test("a filter that was changed by hand, which sends no row of another region all the same", async () => {
    const pinned = await makeCompany(home, "eu", "elsewhere-only");
    await home.sql`insert into regions (region, address, transport_key_version, transport_key, signing_key_version, signing_key, revision, mac_key_version, mac)
      values ('ap', 'https://ap.example.com', 1, ${"A".repeat(43)}, 1, ${"A".repeat(43)}, 1, 1, '')`;
    await allow(home, pinned, "ap");
    await home.sql`alter publication "copies_to_us-east" set table region_copies where (target_region in ('us-east', 'ap')), region_beats`;
    expect(await faults()).toContain("publication-changed");
    await expect(publishCopies(home.own, route)).rejects.toThrow("was changed by hand");
    await writeSecret(home, pinned, "sealed-elsewhere");
    await eventually(
      async () => (await readExportState(replication.exportSql, route)).subscription.errors,
    ).toBeGreaterThan(0);
    expect(await replication.exportSql`select from region_copies where company_id = ${pinned}`).toHaveLength(
      0,
    );
    expect(await arrivedOf(pinned)).toHaveLength(0);
    await home.sql`drop publication "copies_to_us-east"`;
    const exporterUrl = await publishCopies(home.own, route);
    writePasswordFile(exporting.dataDir, "home-password", exporterUrl);
    await resyncExport({ ...replication.exportServer, exporterUrl }, route);
    await isHealthy();
    expect(await arrivedOf(pinned)).toHaveLength(0);
  });

  test("a slot that was lost, of which the subscriber counts no error", async () => {
    await target.sql.unsafe(`alter subscription "copies_from_eu_to_us-east" disable`);
    expect(await faults()).toContain("subscription-disabled");
    const slot = "copies_from_export_us_east";
    await eventually(async () => {
      const rows =
        await replication.exportSql`select from pg_replication_slots where slot_name = ${slot} and not active`;
      return rows.length;
    }).toBe(1);
    await replication.exportSql`alter system set max_slot_wal_keep_size = '1MB'`;
    await replication.exportSql`select pg_reload_conf()`;
    for (let i = 0; i < 4; i++) {
      await writeSecret(home, early, `sealed-lost-${i}`);
      await replication.exportSql`select pg_logical_emit_message(false, 'filler', repeat('x', 8000000))`;
      await replication.exportSql`select pg_switch_wal()`;
      await replication.exportSql`checkpoint`;
    }
    await eventually(async () => (await readExportState(replication.exportSql, route)).slot.state).toBe(
      "lost",
    );
    await target.sql.unsafe(`alter subscription "copies_from_eu_to_us-east" enable`);
    expect(await faults()).toContain("slot-lost");
    await replication.exportSql`alter system reset max_slot_wal_keep_size`;
    await replication.exportSql`select pg_reload_conf()`;
    await resyncCopies(target.own, route, replication);
    await eventually(() => secretOf(early)).toContain("sealed-lost-3");
    await isHealthy();
  });
});

test("a stopped export is named, and what was written meanwhile arrives when it is back", async () => {
  await exporting.server.stop();
  await writeSecret(home, early, "sealed-meanwhile");
  await expect
    .poll(async () => {
      const { slot } = await readHomeState(home.sql, route);
      const { subscription } = await readTargetState(target.sql, route);
      return [slot.state, subscription.state];
    }, polling)
    .toEqual(["inactive", "down"]);
  expect(await secretOf(early)).not.toContain("sealed-meanwhile");
  await exporting.restart();
  await expect.poll(() => secretOf(early), polling).toContain("sealed-meanwhile");
  await isHealthy();
});

test("an export is not set up on a server that has anything else", async () => {
  const server = { ...replication.exportServer, superuserUrl: home.own.superuserUrl };
  await expect(setUpExport(server, route)).rejects.toThrow("needs one of its own");
});
