import { randomBytes } from "node:crypto";
import { connectDatabase } from "@repo/db";
import {
  type RegionServer,
  replicate,
  type Replication,
  startRegion,
  startServer,
  whenDone,
} from "@repo/db/testing";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator } from "@repo/infisical/emulator";
import { assembleTenantSecrets } from "../assemble.ts";
import type { Assembly } from "../assembly/assembly.ts";
import { masterKeyName } from "../keys/master/master-key-name.ts";
import { operator } from "./fixture.ts";

/** The product in one region, on a server and an Infisical of its own. */
export interface RegionWorld {
  readonly region: string;
  readonly secrets: Assembly<typeof deliveryChatCatalog>;
  readonly server: RegionServer;
  /** A superuser in the product's database. */
  readonly sql: RegionServer["sql"];
  /** Another process of this region: empty caches, its own pools. */
  another(): RegionWorld["secrets"];
}

/** Closed at the end of the test or the file. */
export async function startRegionWorld(region: string): Promise<RegionWorld> {
  const [server, emulator] = await Promise.all([startRegion(), startInfisicalEmulator()]);
  // The key of rows is the product's own here.
  await server.sql`delete from audit_keys`;
  const closing: (() => Promise<unknown>)[] = [];
  const another = (): RegionWorld["secrets"] => {
    const { application, maintenance } = server.urls;
    const database = connectDatabase({
      applicationUrl: application,
      maintenanceUrl: maintenance,
      maxConnections: 4,
    });
    closing.push(() => database.close());
    return assembleTenantSecrets({
      database,
      infisical: createInfisicalClient({ ...emulator, environment: "dev" }),
      catalog: deliveryChatCatalog,
      region,
      address: `https://${region}.example.test`,
      operatorApprovals: 1,
    });
  };
  const infisical = createInfisicalClient({ ...emulator, environment: "dev" });
  await infisical.putSecret("/hono-api", masterKeyName(region, 1), randomBytes(32).toString("hex"));
  const secrets = another();
  const serving = await secrets.serve(server.urls.listener, () => {});
  const beats = setInterval(() => {
    server.sql`select beat_regions(${region})`.catch(() => {});
  }, 200);
  whenDone(async () => {
    clearInterval(beats);
    await serving.stop();
    await Promise.all(closing.map((close) => close()));
    await emulator.stop();
    await server.stop();
  });
  return { region, secrets, server, sql: server.sql, another };
}

/** Lets a region copy its companies to another one: what its operators do in both. */
export async function introduce(home: RegionWorld, target: RegionWorld): Promise<Replication> {
  await home.secrets.regions.add(operator, await target.secrets.regions.identity(operator));
  await target.secrets.regions.add(operator, await home.secrets.regions.identity(operator));
  const exporting = await startServer();
  whenDone(() => exporting.stop());
  const route = { home: home.region, target: target.region };
  const replication = await replicate({ home: home.server, exporting, target: target.server }, route);
  whenDone(() => replication.exportSql.end({ timeout: 1 }));
  return replication;
}
