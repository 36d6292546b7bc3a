import { afterAll, beforeAll, expect, test } from "vitest";
import { connectDatabase, type Database } from "../connect.ts";
import {
  allow,
  makeCompany,
  type PlainServer,
  type RegionServer,
  replicate,
  type Replication,
  startRegion,
  startServer,
} from "../testing/two-regions.ts";
import { faultsOfSide, readRegionSide } from "./own-side.ts";

const route = { home: "eu", target: "us" };

let home: RegionServer & { stop(): Promise<void> };
let target: RegionServer & { stop(): Promise<void> };
let exporting: PlainServer;
let replication: Replication | undefined;
let atHome: Database;
let atTarget: Database;

const open = ({ urls }: RegionServer) =>
  connectDatabase({ applicationUrl: urls.application, maintenanceUrl: urls.maintenance, maxConnections: 1 });

beforeAll(async () => {
  [home, target, exporting] = await Promise.all([startRegion(), startRegion(), startServer()]);
  [atHome, atTarget] = [open(home), open(target)];
}, 180_000);

afterAll(async () => {
  await replication?.exportSql.end({ timeout: 1 });
  await Promise.all([atHome.close(), atTarget.close()]);
  await Promise.all([home.stop(), target.stop(), exporting.stop()]);
}, 60_000);

/** By the role that the product reads it with. */
const sideOf = (database: Database, own: string, other: string) =>
  database.acrossCompanies((statements) => readRegionSide(statements, { own, other, withDigests: true }));
const homeSide = () => sideOf(atHome, "eu", "us");
const targetSide = () => sideOf(atTarget, "us", "eu");
const homeFaults = async () => faultsOfSide(await homeSide());
const targetFaults = async () => faultsOfSide(await targetSide());
const beat = () => home.sql`select beat_regions('eu')`;
const none = { sends: [], takes: [] };

test("what was never set up, and nothing needs, has no fault", async () => {
  expect(await homeFaults()).toEqual(none);
  expect(await targetFaults()).toEqual(none);
});

test("both ends of a route that works have no fault, and the same digest", async () => {
  replication = await replicate({ home, exporting, target }, route);
  await allow(home, await makeCompany(home, "eu", "sided"), "us");
  await beat();
  await expect.poll(targetFaults).toEqual(none);
  expect(await homeFaults()).toEqual(none);
  const [{ sends }, { takes }] = [await homeSide(), await targetSide()];
  expect(sends).toMatchObject({ companies: 1, copies: 3, slot: "active", publication: "intact" });
  expect(takes).toMatchObject({ copies: 3, subscription: "running", refusals: 0, digest: sends.digest });
  expect(takes.beatAgeMs).toBeLessThan(60_000);
});

test("each fault that one end can see by itself is named", async () => {
  await target.sql`alter subscription copies_from_eu_to_us disable`;
  await expect.poll(targetFaults).toEqual({ sends: [], takes: ["subscription-disabled"] });
  await target.sql`alter subscription copies_from_eu_to_us enable`;
  await expect.poll(targetFaults).toEqual(none);

  await target.sql`update region_beats set beat_at = clock_timestamp() - interval '1 minute'`;
  expect(await targetFaults()).toEqual({ sends: [], takes: ["late"] });
  await target.sql`insert into region_refusals (company_id, kind, name, subscription, operation, reason, home_epoch, revision)
    values (gen_random_uuid(), 'secret', 'CUSTOM_A', 'copies_from_eu_to_us', 'INSERT', 'epoch', 1, 1)`;
  expect(await targetFaults()).toEqual({ sends: [], takes: ["refused", "late"] });

  await exporting.server.stop();
  await expect.poll(homeFaults).toEqual({ sends: ["slot-inactive"], takes: [] });
  await home.sql`select pg_drop_replication_slot('copies_to_us')`;
  expect(await homeFaults()).toEqual({ sends: ["slot-lost"], takes: [] });
  await home.sql`alter publication copies_to_us drop table region_beats`;
  expect(await homeFaults()).toEqual({ sends: ["publication-changed", "slot-lost"], takes: [] });
  await exporting.restart();
});
