import { connectDatabase } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import { createAuditLog, createSealer } from "@repo/audit-log";
import { createAuditKeys, createMasterKeys, createSigningKeys } from "@repo/tenant-secrets/internals";
import { startDeployment, type Deployment } from "./deployment.ts";
import { inLanes, interleaved, perSecond, ratioOf, timed } from "./measuring.ts";
import { populate, secretKeyOf, subdomainOf } from "./population.ts";
import { throughputRow, type Row } from "./row.ts";
import { dropEverything, meet, product, serve, type Serving } from "./serving.ts";

const population = { companies: 100, secretsOfEach: 10 };
const readMs = 1000;
const lanes = 16;
const appends = 4000;

/**
 * What the audit log costs: reads by a service with it and with one that drops everything; and many writers of events while
 * they are sealed and while they are not.
 */
export async function benchAudit(): Promise<Row[]> {
  const deployment = await startDeployment();
  try {
    return [...(await benchReads(deployment)), await benchSealing(deployment)];
  } finally {
    await deployment.stop();
  }
}

async function benchReads(deployment: Deployment): Promise<Row[]> {
  const { companies, secretsOfEach } = population;
  await populate(deployment, population);
  const [on, off] = [
    await serve(deployment),
    await serve(deployment, { openAuditLog: () => dropEverything }),
  ];
  await Promise.all([meet(on, companies), meet(off, companies)]);
  const measure = async (secrets: number): Promise<Row> => {
    const read = ({ secrets: opened }: Serving, i: number) =>
      opened
        .company(subdomainOf(i % companies), product)
        .get(secretKeyOf(Math.floor((i % secrets) / companies)));
    const readAll = (serving: Serving) => async (): Promise<number> => {
      const rate = await perSecond({ lanes, forMs: readMs }, (i) => read(serving, i));
      // Flushed here, so that pending events do not burden the other contestant.
      await serving.secrets.flush();
      return rate;
    };
    // So that they are cached; then the audit log writes on its own, several times within each measurement.
    for (let i = 0; i < secrets; i++) await Promise.all([read(on, i), read(off, i)]);
    const results = await interleaved(readAll(off), readAll(on));
    const what = `warm reads by a service of ${secrets} secrets in turn, recorded`;
    return throughputRow({
      name: `audit.reads-${secrets}`,
      what,
      against: "the same, not recorded",
      ratio: ratioOf(what, "a second", results),
      target: 0.85,
    });
  };
  const rows = [await measure(companies), await measure(companies * secretsOfEach)];
  await Promise.all([on.stop(), off.stop()]);
  return rows;
}

async function benchSealing(deployment: Deployment): Promise<Row> {
  const { urls, infisical } = deployment;
  const database = connectDatabase({
    applicationUrl: urls.application,
    maintenanceUrl: urls.maintenance,
    maxConnections: 32,
  });
  const client = createInfisicalClient({ ...infisical, environment: "dev" });
  const masterKeys = createMasterKeys(database, client, "default");
  const audit = createAuditLog(database, createAuditKeys(database, masterKeys));
  const sealer = createSealer(
    { database, loadSigningKey: createSigningKeys(database, masterKeys) },
    { onSealed: () => {}, onAlarm: ({ message }) => console.error(message) },
  );
  const sealAll = async (): Promise<void> => {
    while ((await sealer.tick())?.full === true);
  };
  const append = async () => {
    const ms = await timed(() =>
      inLanes(32, appends, () => audit.record(product, { action: "secret.list", outcome: "success" })),
    );
    return (1000 * appends) / ms;
  };
  await sealAll();
  const results = await interleaved(append, async () => {
    // Sealed here, so that events of the run without a sealer do not burden this one.
    await sealAll();
    const running = sealer.run();
    const rate = await append();
    await running.stop();
    return rate;
  });
  await database.close();
  const what = "32 writers of events, with a sealer beside";
  return throughputRow({
    name: "audit.sealing",
    what,
    against: "the same without",
    ratio: ratioOf(what, "a second", results),
    target: 0.85,
  });
}
