import { Plaintext } from "@repo/envelope";
import type { Caller } from "@repo/tenant-secrets";
import { assembleBase, createDatabaseStore } from "@repo/tenant-secrets/internals";
import postgres from "postgres";
import { startDeployment, type Deployment } from "./deployment.ts";
import { inLanes, interleaved, ratioOf, timed } from "./measuring.ts";
import { populate, secretKeyOf, subdomainOf, valueOf } from "./population.ts";
import { benchWholeMigrations } from "./migration-whole.ts";
import { row, type Row } from "./row.ts";

const companies = 1000;
const secretsOfEach = 10;
/** As many companies at once as a migration works on. */
const lanes = 2;
const rounds = 3;
const operator: Caller = { actor: { kind: "operator", id: "bench" } };

export async function benchMigration(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const bench of [benchCopies, benchWholeMigrations]) {
    const deployment = await startDeployment();
    try {
      rows.push(...(await bench(deployment)));
    } finally {
      await deployment.stop();
    }
  }
  return rows;
}

/**
 * Copying ten secrets of each of 1,000 companies into the database, against bulk INSERTs of the rows that this leaves. The
 * companies have their keys.
 */
async function benchCopies(deployment: Deployment): Promise<Row[]> {
  const sql = postgres(deployment.superuserUrl, { max: 1, onnotice: () => {} });
  try {
    await populate(deployment, { companies, secretsOfEach: 0 });
    const scopes = await resolveAll(deployment);
    const copyAll = async (): Promise<number> => {
      await empty(sql);
      const store = openStore(deployment);
      return timed(() =>
        inLanes(lanes, companies, (i) => {
          const scope = scopes[i];
          if (scope === undefined) throw new Error("every company is resolved");
          return store.backfillMany(scope, { origin: "infisical", secrets: secretsOf(i) });
        }),
      );
    };
    await copyAll();
    const rows = await Promise.all(tables.map((table) => rowsOf(sql, table)));
    const insertAll = async (): Promise<number> => {
      await empty(sql);
      return timed(() =>
        sql.begin(async (transaction) => {
          for (const [i, table] of tables.entries()) await insert(transaction, table, rows[i] ?? "[]");
        }),
      );
    };
    const measured = await interleaved(insertAll, copyAll, rounds);
    const copied = `${companies} × ${secretsOfEach} copies`;
    return [
      row({
        name: "migration.copy",
        what: `copying ${secretsOfEach} secrets of each of ${companies} companies, ${lanes} companies at once`,
        against: "bulk INSERTs of the same heads, versions and events, in one transaction",
        ratio: ratioOf(copied, "ms", measured),
        target: 5,
      }),
    ];
  } finally {
    await sql.end();
  }
}

const tables = ["company_secrets", "company_secret_versions", "audit_events"] as const;
type Table = (typeof tables)[number];

/** In a process that has just started: nothing is cached. */
function openStore({ database, client }: Deployment) {
  const { audit, companyKeys } = assembleBase({ database, infisical: client });
  return createDatabaseStore({ database, companyKeys, audit, onAlarm: console.error });
}

function resolveAll({ secrets }: Deployment) {
  return Promise.all(
    Array.from({ length: companies }, (_, i) =>
      secrets.companies.resolve({ caller: operator, action: "secret.backfill" }, subdomainOf(i)),
    ),
  );
}

function secretsOf(company: number) {
  return Array.from({ length: secretsOfEach }, (_, i) => {
    const secretKey = secretKeyOf(i);
    const value = valueOf(subdomainOf(company), secretKey);
    return { secretKey, plaintext: Plaintext.fromText(value), lastFour: value.slice(-4) };
  });
}

async function empty(sql: postgres.Sql): Promise<void> {
  await sql`truncate company_secret_versions, company_secrets`;
  await sql.begin(async (transaction) => {
    // Without the triggers that keep the audit log.
    await transaction`set local session_replication_role = replica`;
    await transaction`delete from audit_events where action = 'secret.backfill'`;
  });
  await sql`vacuum analyze company_secrets, company_secret_versions, audit_events`;
}

async function rowsOf(sql: postgres.Sql, table: Table): Promise<string> {
  const only = table === "audit_events" ? sql`where action = 'secret.backfill'` : sql``;
  const [all] = await sql<{ rows: string }[]>`
    select json_agg(t)::text as rows from (select * from ${sql(table)} ${only}) t`;
  return all?.rows ?? "[]";
}

function insert(sql: postgres.TransactionSql, table: Table, rows: string) {
  return sql`insert into ${sql(table)} overriding system value
    select * from json_populate_recordset(null::${sql(table)}, ${rows}::text::json)`;
}
