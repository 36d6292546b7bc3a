import { connectDatabase, type Database } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import { deliveryChatCatalog, job, type TenantSecrets } from "@repo/tenant-secrets";
import {
  assembleTenantSecrets,
  createAuditKeys,
  createAuditLog,
  createMasterKeys,
  createSealer,
  createSigningKeys,
  type AuditLog,
} from "@repo/tenant-secrets/bench";
import { startDeployment, type Deployment } from "./deployment.ts";
import { percentile, throughputRow, type Row } from "./row.ts";

const companies = 100;
const secretsOfEach = 10;
const reads = 6000;
const appends = 4000;
const pairs = 7;
const product = job("bench", { verbs: ["use", "write"], secretKeys: ["*"] });

/**
 * What the record costs: reads by a service with it and with one that drops everything; and many writers of events while
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

type Secrets = TenantSecrets<typeof deliveryChatCatalog>;

async function benchReads(deployment: Deployment): Promise<Row[]> {
  const [company, key] = [
    (i: number) => `company-${i % companies}`,
    (i: number) => `CUSTOM_${i % secretsOfEach}` as const,
  ];
  for (let i = 0; i < companies; i++) {
    await deployment.secrets.companies.create(
      { actor: { kind: "operator", id: "bench" } },
      { subdomain: company(i), secretStore: "database" },
    );
    for (let j = 0; j < secretsOfEach; j++)
      await deployment.secrets.company(company(i), product).set(key(j), "fake-value-of-a-bench");
  }
  const [on, off] = [open(deployment, createAuditLog), open(deployment, () => dropEverything)];
  const measure = async (secretsInUse: number): Promise<Row> => {
    const readAll = ({ secrets }: Opened): Promise<number> =>
      timed(async () => {
        await inLanes(16, reads, (i) => {
          const secret = i % secretsInUse;
          return secrets.company(company(secret), product).get(key(Math.floor(secret / companies)));
        });
        await secrets.flush();
      });
    const times = await interleaved(
      () => readAll(off),
      () => readAll(on),
    );
    return throughputRow(
      `audit.reads-${secretsInUse}`,
      `reads by a service of ${secretsInUse} secrets in turn, recorded`,
      "the same, not recorded",
      report(`reads of ${secretsInUse} secrets`, reads, times),
      0.85,
    );
  };
  // Of 1,000, hardly two reads of a quarter of a second are of one secret: the most that the record can cost.
  const rows = [await measure(companies), await measure(companies * secretsOfEach)];
  await Promise.all([on.database.close(), off.database.close()]);
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
  const append = () =>
    timed(() =>
      inLanes(32, appends, () => audit.add(product, { action: "secret.list", outcome: "allowed" })),
    );
  await sealAll();
  const ratios = await interleaved(append, async () => {
    // What was written without it is not this one's burden.
    await sealAll();
    const running = sealer.run();
    const ms = await append();
    await running.stop();
    return ms;
  });
  await database.close();
  return throughputRow(
    "audit.sealing",
    "32 writers of events, with a sealer beside",
    "the same without",
    report("events", appends, ratios),
    0.85,
  );
}

interface Opened {
  readonly database: Database;
  readonly secrets: Secrets;
}

function open({ urls, infisical }: Deployment, openRecord: typeof createAuditLog): Opened {
  const database = connectDatabase({ applicationUrl: urls.application, maintenanceUrl: urls.maintenance });
  const client = createInfisicalClient({ ...infisical, environment: "dev" });
  const secrets = assembleTenantSecrets(
    { database, infisical: client, catalog: deliveryChatCatalog },
    openRecord,
  );
  return { database, secrets };
}

const nothing = () => Promise.resolve();
const dropEverything: AuditLog = {
  addTo: nothing,
  add: nothing,
  note: nothing,
  noter: () => () => true,
  ready: nothing,
  flush: nothing,
  stop: nothing,
};

async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function inLanes(lanes: number, times: number, work: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < times) await work(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** Milliseconds of both, in pairs, each time beginning with the other one; the first pair is for warming up. */
async function interleaved(
  plain: () => Promise<number>,
  measured: () => Promise<number>,
): Promise<readonly (readonly [number, number])[]> {
  const times: [number, number][] = [];
  for (let i = 0; i <= pairs; i++) {
    if (i % 2 === 0) times.push([await plain(), await measured()]);
    else {
      const ms = await measured();
      times.push([await plain(), ms]);
    }
  }
  return times.slice(1);
}

/** @returns the median of the ratios of throughput */
function report(what: string, count: number, times: readonly (readonly [number, number])[]): number {
  const ratios = times.map(([plainMs, measuredMs]) => plainMs / measuredMs);
  const perSecond = (at: 0 | 1): string =>
    (
      (1000 * count) /
      percentile(
        times.map((pair) => pair[at]),
        0.5,
      )
    ).toFixed(0);
  console.log(
    `${what} a second: ${perSecond(0)} plain, ${perSecond(1)} measured; ratios ${ratios.map((ratio) => ratio.toFixed(2)).join(" ")}`,
  );
  return percentile(ratios, 0.5);
}
