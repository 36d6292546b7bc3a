import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startEmbeddedPostgres, writePasswordFile } from "@repo/db/embedded";
import {
  digestCopies,
  publishCopies,
  setUpExport,
  subscribeToCopies,
  unsubscribeFromCopies,
} from "@repo/db/regions";
import type { Caller } from "@repo/tenant-secrets";
import postgres from "postgres";
import type { Deployment, Place } from "./deployment.ts";
import { inLanes } from "./measuring.ts";
import { subdomainOf } from "./population.ts";

/** Where the companies of a population are at home. */
const home = "default";
export const region = "us";

const operator: Caller = { actor: { kind: "operator", id: "bench" } };

/** Makes two deployments known to each other, as their operators do. */
export async function introduce(one: Deployment, other: Deployment): Promise<void> {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const)
    await to.secrets.regions.add(operator, await from.secrets.regions.identity(operator));
}

/** Lets companies be copied to the other region. */
export async function allowRegion(
  { secrets }: Deployment,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<void> {
  await inLanes(4, to - from, async (i) => {
    await secrets.companyRegions.add(operator, subdomainOf(from + i), { region });
  });
}

export interface RunningReplication {
  /** How a write is called that a listener hears of. */
  nameOf(company: number, secretKey: string, version: number): string;
  /** When each copy of a secret was there, by `performance.now()`, from now on. */
  listen(): Promise<ReadonlyMap<string, number>>;
  stop(): Promise<void>;
}

/** Replicates copies from one deployment to another, with an export's server between them. Resolves when all are there. */
export async function openReplication(from: Deployment, target: Place): Promise<RunningReplication> {
  const route = { home, target: region };
  const dataDir = mkdtempSync(path.join("/var/tmp", "tenant-secrets-bench-"));
  const server = await startEmbeddedPostgres({ dataDir, settings: { wal_level: "logical" } });
  const exporterUrl = await publishCopies({ superuserUrl: from.superuserUrl, database: "bench" }, route);
  const passwordFile = writePasswordFile(dataDir, "home-password", exporterUrl);
  const exportUrl = await setUpExport({ ...server, exporterUrl, passwordFile }, route);
  await subscribeToCopies({ superuserUrl: target.superuserUrl, database: "bench" }, route, exportUrl);
  const source = postgres(from.superuserUrl, { max: 1, onnotice: () => {} });
  const sql = postgres(target.superuserUrl, { max: 2, onnotice: () => {} });
  const companies = await source<{ id: string; subdomain: string }[]>`select id, subdomain from companies`;
  const ids = new Map(companies.map(({ id, subdomain }) => [subdomain, id]));
  const { digest } = await digestCopies(source, route);
  while ((await digestCopies(sql, route)).digest !== digest) await sleep(50);
  return {
    nameOf: (company, secretKey, version) => `${ids.get(subdomainOf(company)) ?? ""} ${secretKey} ${version}`,
    listen: async () => {
      await sql.unsafe(tellOfCopies);
      const arrived = new Map<string, number>();
      await sql.listen("bench_copies", (name) => void arrived.set(name, performance.now()));
      return arrived;
    },
    stop: async () => {
      await unsubscribeFromCopies({ superuserUrl: target.superuserUrl, database: "bench" }, route);
      await Promise.all([source.end(), sql.end()]);
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** The product's own notification does not say which version arrived. */
const tellOfCopies = `
  create function tell_of_copy() returns trigger language plpgsql as $$ begin
    perform pg_notify('bench_copies', new.company_id || ' ' || new.name || ' ' || (new.body::json->>'currentVersion'));
    return null;
  end $$;
  create trigger tell_of_copy after insert or update on region_copies
    for each row when (new.kind = 'secret') execute function tell_of_copy();
  alter table region_copies enable replica trigger tell_of_copy`;
