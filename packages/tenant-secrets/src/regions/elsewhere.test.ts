import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectDatabase } from "@repo/db";
import {
  type PlainServer,
  type RegionServer,
  replicate,
  type Replication,
  startRegion,
  startServer,
} from "@repo/db/two-regions";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator } from "@repo/infisical/emulator";
import { assembleTenantSecrets } from "../assemble.ts";
import { masterKeyName } from "../keys/master/master-key-name.ts";
import { codeOf, operator, product } from "../testing/fixture.ts";

// Three servers, and what PostgreSQL brings from the first to the last.

type Server = RegionServer & { stop(): Promise<void> };
const closing: (() => Promise<unknown>)[] = [];

async function openRegion(region: string) {
  const server: Server = await startRegion();
  closing.push(() => server.stop());
  // The product makes its own.
  await server.sql`delete from audit_keys`;
  const emulator = await startInfisicalEmulator();
  closing.unshift(() => emulator.stop());
  const infisical = createInfisicalClient({ ...emulator, environment: "dev" });
  await infisical.putSecret("/hono-api", masterKeyName(region, 1), randomBytes(32).toString("hex"));
  await infisical.putSecret("/hono-api", "SIGN_IN_SECRET", randomBytes(32).toString("hex"));
  const { application, maintenance } = server.urls;
  const database = connectDatabase({ applicationUrl: application, maintenanceUrl: maintenance });
  closing.unshift(() => database.close());
  const address = `https://${region}.example.com`;
  const secrets = assembleTenantSecrets({
    database,
    infisical,
    region,
    address,
    catalog: deliveryChatCatalog,
  });
  await secrets.prepare();
  return { server, secrets };
}

let home: Awaited<ReturnType<typeof openRegion>>;
let target: Awaited<ReturnType<typeof openRegion>>;
let exporting: PlainServer;
let replication: Replication;
const alarms: string[] = [];

beforeAll(async () => {
  [home, target, exporting] = await Promise.all([openRegion("eu"), openRegion("us"), startServer()]);
  closing.push(() => exporting.stop());
  await home.secrets.regions.add(operator, await target.secrets.regions.identity(operator));
  await target.secrets.regions.add(operator, await home.secrets.regions.identity(operator));
  const servers = { home: home.server, exporting, target: target.server };
  replication = await replicate(servers, { home: "eu", target: "us" });
  closing.unshift(() => replication.exportSql.end({ timeout: 1 }));
  const serving = await target.secrets.serve(target.server.urls.listener, ({ message }) =>
    alarms.push(message),
  );
  closing.unshift(() => serving.stop());
}, 180_000);

afterAll(async () => {
  for (const close of closing) await close();
}, 60_000);

const there = () => home.secrets.company("acmecorp", product);
const here = () => target.secrets.company("acmecorp", product);
const eventually = (read: () => Promise<unknown>) => expect.poll(read, { timeout: 60_000, interval: 20 });
const beat = () => home.server.sql`select beat_regions('eu')`;

test("a company that is copied to a region is served there, from its cache, as it changes at home", async () => {
  await home.secrets.companies.create(operator, { subdomain: "acmecorp", secretStore: "database" });
  await there().set("CUSTOM_A", "fake_0001");
  await home.secrets.companyRegions.add(operator, "acmecorp", { region: "us" });
  await eventually(() => here().find("CUSTOM_A")).toBe("fake_0001");
  const { hits } = target.secrets.measurements().cache;
  await here().get("CUSTOM_A");
  expect(target.secrets.measurements().cache.hits).toBeGreaterThan(hits);

  await there().set("CUSTOM_A", "fake_0002");
  await eventually(() => here().get("CUSTOM_A")).toBe("fake_0002");
  await there().remove("CUSTOM_A");
  await eventually(() => here().find("CUSTOM_A")).toBeUndefined();
  await there().set("CUSTOM_A", "fake_0003");
  await eventually(() => here().find("CUSTOM_A")).toBe("fake_0003");
});

test("a new key of the company and a suspension arrive as values do", async () => {
  await home.secrets.companyKeyRotation.requestRotation(operator, "acmecorp");
  await there().set("CUSTOM_A", "fake_0004");
  await eventually(() => here().get("CUSTOM_A")).toBe("fake_0004");
  const [key] = await target.server
    .sql`select body::json->>'companyKeyVersion' as version from region_copies where kind = 'secret'`;
  expect(key?.["version"]).toBe("2");

  await home.secrets.suspension.suspend(operator, "acmecorp");
  await eventually(() => codeOf(here().get("CUSTOM_A"))).toBe("COMPANY_SUSPENDED");
  await home.secrets.suspension.resume(operator, "acmecorp");
  await eventually(() => codeOf(here().get("CUSTOM_A"))).toBe("no error");
});

test("a value has the age of the last beat, and a home that is down takes no reader with it", async () => {
  await beat();
  await eventually(async () => (await here().read("CUSTOM_A", { maxAgeMs: 600_000 })).copy?.homeRegion).toBe(
    "eu",
  );
  await exporting.server.stop();
  const first = (await here().read("CUSTOM_A")).copy?.ageMs ?? 0;
  await eventually(async () => ((await here().read("CUSTOM_A")).copy?.ageMs ?? 0) > first).toBe(true);
  expect(await codeOf(here().get("CUSTOM_A", { maxAgeMs: 0 }))).toBe("STORE_UNAVAILABLE");
  expect(await here().get("CUSTOM_A")).toBe("fake_0004");
  expect(await codeOf(here().set("CUSTOM_A", "fake_0005"))).toBe("WRONG_REGION");
  await there().set("CUSTOM_A", "fake_0006");
  await exporting.restart();
  await eventually(() => here().get("CUSTOM_A")).toBe("fake_0006");
});

test("a company that is withdrawn is gone from caches, rows and keys of the region, with a receipt", async () => {
  await home.secrets.companyRegions.remove(operator, "acmecorp", { region: "us" });
  await eventually(() => codeOf(here().get("CUSTOM_A"))).toBe("NOT_FOUND");
  await eventually(async () => (await target.secrets.regionReceipts.receipts(operator)).length).toBe(1);
  const left = await target.server.sql`select from region_copies union all select from companies`;
  expect(left).toHaveLength(0);
  expect(alarms).toEqual([]);
});
