import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import postgres from "postgres";
import { startEmbeddedPostgres, type EmbeddedPostgres, writePasswordFile } from "../embedded/index.ts";
import { migrateDatabase } from "../migrate.ts";
import { type DatabaseUrls, provisionDatabase } from "../provision.ts";
import {
  type ExportServer,
  type Route,
  publishCopies,
  setUpExport,
  subscribeToCopies,
} from "../regions/index.ts";
import { databaseUrl } from "../url.ts";

/** A server of one region, with the product's database. */
export interface RegionServer {
  readonly server: EmbeddedPostgres;
  readonly dataDir: string;
  readonly own: { readonly superuserUrl: string; readonly database: string };
  readonly urls: DatabaseUrls;
  /** A superuser in the product's database. */
  readonly sql: postgres.Sql;
}

const settings = {
  wal_level: "logical",
  fsync: "off",
  full_page_writes: "off",
  shared_buffers: "16MB",
  max_connections: "40",
};

export interface PlainServer {
  readonly server: EmbeddedPostgres;
  readonly dataDir: string;
  /** Starts it again, at the same port, after it was stopped. */
  restart(): Promise<void>;
  /** Stops it, and removes its data. */
  stop(): Promise<void>;
}

/** A server with nothing on it, in a directory that goes with it. @param more settings, as in postgresql.conf */
export async function startServer(more: Readonly<Record<string, string>> = {}): Promise<PlainServer> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tenant-secrets-region-"));
  const options = { dataDir, settings: { ...settings, ...more } };
  const server = await startEmbeddedPostgres(options);
  let running = server;
  return {
    server,
    dataDir,
    restart: async () => {
      running = await startEmbeddedPostgres({ ...options, port: server.port });
    },
    stop: async () => {
      await running.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

export async function startRegion(): Promise<RegionServer & { stop(): Promise<void> }> {
  const plain = await startServer();
  const { superuserUrl } = plain.server;
  const urls = await provisionDatabase({ superuserUrl, database: "secrets" });
  await migrateDatabase(urls.migration);
  const sql = postgres(databaseUrl(superuserUrl, "secrets"), { max: 2, onnotice: () => {} });
  await sql`insert into audit_keys (purpose, key_version, status) values ('row', 1, 'active')`;
  return {
    ...plain,
    own: { superuserUrl, database: "secrets" },
    urls,
    sql,
    stop: async () => {
      await sql.end({ timeout: 1 });
      await plain.stop();
    },
  };
}

export interface Replication {
  readonly exportServer: ExportServer;
  /** A superuser in the export's database. */
  readonly exportSql: postgres.Sql;
  readonly exportUrl: string;
}

/** Sets up all of a route. */
export async function replicate(
  {
    home,
    exporting,
    target,
  }: { readonly home: RegionServer; readonly exporting: PlainServer; readonly target: RegionServer },
  route: Route,
): Promise<Replication> {
  await makeRegionKnown(home, route.target);
  const exporterUrl = await publishCopies(home.own, route);
  const passwordFile = writePasswordFile(exporting.dataDir, "home-password", exporterUrl);
  const { superuserUrl } = exporting.server;
  const exportServer = { superuserUrl, exporterUrl, passwordFile };
  const exportUrl = await setUpExport(exportServer, route);
  await subscribeToCopies(target.own, route, exportUrl);
  const database = new URL(exportUrl).pathname.slice(1);
  const exportSql = postgres(databaseUrl(superuserUrl, database), { max: 1, onnotice: () => {} });
  return { exportServer, exportSql, exportUrl };
}

async function makeRegionKnown({ sql }: RegionServer, region: string): Promise<void> {
  await sql`insert into regions (region, address, transport_key_version, transport_key, signing_key_version, signing_key, revision, mac_key_version, mac)
    values (${region}, ${`https://${region}.example.com`}, 1, ${"A".repeat(43)}, 1, ${"A".repeat(43)}, 1, 1, '') on conflict do nothing`;
}

/** @returns the id of a company at home in `region`, with a key and a secret whose sealed value contains `canary` */
export async function makeCompany({ sql }: RegionServer, region: string, canary: string): Promise<string> {
  const id = randomUUID();
  await sql`insert into companies (id, subdomain, infisical_folder, secret_store, home_region, revision, mac_key_version, mac)
    values (${id}, ${`sub-${canary}`}, ${`folder-${canary}`}, 'database', ${region}, 1, 1, '')`;
  await sql`insert into company_keys (company_id, key_version, status) values (${id}, 1, 'active')`;
  await writeSecret({ sql }, id, `sealed-${canary}`);
  return id;
}

/** Writes the secret CUSTOM_KEY. */
export async function writeSecret(
  { sql }: Pick<RegionServer, "sql">,
  company: string,
  sealed: string,
): Promise<void> {
  await sql`insert into company_secrets (company_id, secret_key, secret_value_encrypted, company_key_version, current_version, last_version,
      origin, mac_key_version, mac)
    values (${company}, 'CUSTOM_KEY', ${sealed}, 1, 1, 1, 'written', 1, '\\x0102')
    on conflict (company_id, secret_key) do update set secret_value_encrypted = excluded.secret_value_encrypted`;
}

/** Lets a company be copied, with copies that a process would have signed. */
export async function allow(
  { sql }: Pick<RegionServer, "sql">,
  company: string,
  region: string,
): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction`insert into company_regions (company_id, region, revision, mac_key_version, mac) values (${company}, ${region}, 1, 1, '')`;
    await transaction`insert into region_copies (target_region, company_id, kind, name, home_region, home_epoch, revision, body, signature)
      select ${region}, id, 'company', '', home_region, home_epoch, nextval('copy_revisions'), json_build_object('format', 1, 'subdomain', subdomain), 'fake'
      from companies where id = ${company}`;
    await transaction`insert into region_copies (target_region, company_id, kind, name, home_region, home_epoch, revision, body, signature)
      select ${region}, id, 'key', '1', home_region, home_epoch, nextval('copy_revisions'), 'tr1.fake', 'fake' from companies where id = ${company}`;
  });
}
